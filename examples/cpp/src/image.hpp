// An image, or a part of it, in the network's square input.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "edgeface/edgeface.hpp"

namespace edgeface {

// input = image * scale + offset, for x and y
struct Placement {
  std::array<double, 2> scale, offset;
};

struct Input {
  std::vector<std::uint8_t> pixels;  // (size, size, 3)
  Placement placement;
};

// The whole image in the middle of the input.
Input letterbox(const Image& image, int size, std::uint8_t pad_value);

// The square around a box, `crop_scale` times the box's longer side.
Input crop(const Image& image, const std::array<double, 4>& box_xyxy, double crop_scale, int size,
           std::uint8_t pad_value);

// Throws unless the image has the pixels that its width and height tell of.
void check(const Image& image);

// Bytes of a raw deflate stream, whose length is known.
std::string inflate(std::string packed, std::size_t size);

}  // namespace edgeface
