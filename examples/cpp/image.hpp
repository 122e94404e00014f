// An image in the middle of the network's square input.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

struct Image {
  int width, height;
  std::vector<std::uint8_t> pixels;  // RGB, rows first
};

// input = image * scale + offset, for x and y
struct Placement {
  std::array<double, 2> scale, offset;
};

// Throws std::runtime_error where the file is no image. An EXIF orientation is not respected.
Image read_image(const std::string& path);

// The image resized into a square of `size` pixels, the rest filled with `pad_value`.
Image letterbox(const Image& image, int size, std::uint8_t pad_value, Placement& placement);
