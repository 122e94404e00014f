#include "image.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#define STB_IMAGE_IMPLEMENTATION
#include "stb_image.h"

Image read_image(const std::string& path) {
  int width, height, channels;
  stbi_uc* data = stbi_load(path.c_str(), &width, &height, &channels, 3);
  if (!data) throw std::runtime_error(path + ": " + stbi_failure_reason());
  Image image{width, height, {data, data + std::size_t{3} * width * height}};
  stbi_image_free(data);
  return image;
}

namespace {

struct Taps {
  int first;
  std::vector<double> weights;
};

// For each output pixel the average of what it covers where the axis shrinks, bilinear weights
// where it grows.
std::vector<Taps> filter(int length, int new_length) {
  const double step = static_cast<double>(length) / new_length;
  std::vector<Taps> all(new_length);
  for (int i = 0; i < new_length; ++i) {
    if (step <= 1) {
      const double position = std::clamp((i + 0.5) * step - 0.5, 0.0, length - 1.0);
      const int first = std::min(static_cast<int>(position), std::max(0, length - 2));
      const double second = position - first;
      all[i] = {first, {1 - second, second}};
      if (length == 1) all[i].weights = {1};
      continue;
    }
    const double low = i * step, high = std::min(low + step, double(length));
    all[i].first = static_cast<int>(low);
    for (int j = all[i].first; j < high; ++j)
      all[i].weights.push_back((std::min(j + 1.0, high) - std::max<double>(j, low)) / step);
  }
  return all;
}

// One axis of (height, width, 3): the rows of the result are the columns of the source.
template <typename Pixel>
std::vector<float> resize_width_and_transpose(const std::vector<Pixel>& pixels, int width,
                                              int height, int new_width) {
  const auto taps = filter(width, new_width);
  std::vector<float> out(std::size_t{3} * new_width * height);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < new_width; ++x)
      for (int c = 0; c < 3; ++c) {
        double sum = 0;
        for (std::size_t i = 0; i < taps[x].weights.size(); ++i)
          sum += taps[x].weights[i] * pixels[(std::size_t(y) * width + taps[x].first + i) * 3 + c];
        out[(std::size_t(x) * height + y) * 3 + c] = static_cast<float>(sum);
      }
  return out;
}

}  // namespace

Image letterbox(const Image& image, int size, std::uint8_t pad_value, Placement& placement) {
  const double longer = std::max(image.width, image.height);
  // nearbyint takes halves to the even neighbour, as Python does
  const int width = std::max(1, static_cast<int>(std::nearbyint(image.width * size / longer)));
  const int height = std::max(1, static_cast<int>(std::nearbyint(image.height * size / longer)));
  const int left = (size - width) / 2, top = (size - height) / 2;
  const auto narrow = resize_width_and_transpose(image.pixels, image.width, image.height, width);
  const auto inner = resize_width_and_transpose(narrow, image.height, width, height);
  Image out{size, size, std::vector<std::uint8_t>(std::size_t{3} * size * size, pad_value)};
  for (int y = 0; y < height; ++y)
    std::transform(&inner[std::size_t{3} * y * width], &inner[std::size_t{3} * y * width] + 3 * width,
                   &out.pixels[std::size_t{3} * ((top + y) * size + left)],
                   [](float value) { return static_cast<std::uint8_t>(value + 0.5f); });
  placement.scale = {double(width) / image.width, double(height) / image.height};
  placement.offset = {double(left), double(top)};
  return out;
}
