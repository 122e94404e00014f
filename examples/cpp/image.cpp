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

// For each output pixel a triangle as wide as it, over the source.
std::vector<Taps> filter(int length, int new_length) {
  const double step = static_cast<double>(length) / new_length, reach = std::max(step, 1.0);
  std::vector<Taps> all(new_length);
  for (int i = 0; i < new_length; ++i) {
    const double centre = (i + 0.5) * step;
    const int first = std::max(0, static_cast<int>(std::floor(centre - reach + 0.5)));
    const int last = std::min(length, static_cast<int>(std::floor(centre + reach + 0.5)));
    double total = 0;
    all[i].first = first;
    for (int j = first; j < last; ++j) {
      all[i].weights.push_back(std::max(0.0, 1 - std::abs(j + 0.5 - centre) / reach));
      total += all[i].weights.back();
    }
    for (double& weight : all[i].weights) weight /= total;
  }
  return all;
}

// One axis at a time, by swapping them: the rows of the result are the columns of the source.
Image resize_width_and_transpose(const Image& image, int new_width) {
  const auto taps = filter(image.width, new_width);
  Image out{image.height, new_width, {}};
  out.pixels.resize(std::size_t{3} * out.width * out.height);
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < new_width; ++x)
      for (int c = 0; c < 3; ++c) {
        double sum = 0.5;  // rounds
        for (std::size_t i = 0; i < taps[x].weights.size(); ++i)
          sum += taps[x].weights[i] *
                 image.pixels[(std::size_t(y) * image.width + taps[x].first + i) * 3 + c];
        out.pixels[(std::size_t(x) * out.width + y) * 3 + c] =
            static_cast<std::uint8_t>(std::min(sum, 255.0));
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
  const Image inner =
      resize_width_and_transpose(resize_width_and_transpose(image, width), height);
  Image out{size, size, std::vector<std::uint8_t>(std::size_t{3} * size * size, pad_value)};
  for (int y = 0; y < height; ++y)
    std::copy_n(&inner.pixels[std::size_t{3} * y * width], 3 * width,
                &out.pixels[std::size_t{3} * ((top + y) * size + left)]);
  placement.scale = {double(width) / image.width, double(height) / image.height};
  placement.offset = {double(left), double(top)};
  return out;
}
