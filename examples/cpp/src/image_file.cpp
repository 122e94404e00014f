// What stb_image does for the library; its names stay inside this file.
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#include "stb_image.h"

#include "image.hpp"

namespace edgeface {

Image read_image(const std::string& path) {
  int width, height, channels;
  stbi_uc* data = stbi_load(path.c_str(), &width, &height, &channels, 3);
  if (!data) throw Error(path + ": " + stbi_failure_reason());
  Image image{width, height, {data, data + std::size_t{3} * width * height}};
  stbi_image_free(data);
  return image;
}

std::string inflate(std::string packed, std::size_t size) {
  std::string out(size, '\0');
  packed.append(4, '\0');  // stb looks ahead, to where a zlib stream has its checksum
  const int length =
      stbi_zlib_decode_noheader_buffer(out.data(), static_cast<int>(size), packed.data(),
                                       static_cast<int>(packed.size()));
  if (length != static_cast<int>(size)) throw Error("the face model does not inflate");
  return out;
}

}  // namespace edgeface
