#include "image.hpp"

#include <algorithm>
#include <cmath>

namespace edgeface {

namespace {

struct Taps {
  int first;
  std::vector<double> weights;
};

// One axis: for each of `new_length` pixels its share of the source pixels in [start, end). Where
// the axis shrinks it averages what it covers, where it grows it is bilinear.
std::vector<Taps> filter(double start, double end, int length, int new_length) {
  const double step = (end - start) / new_length;
  std::vector<Taps> all(new_length);
  for (int i = 0; i < new_length; ++i) {
    if (step <= 1) {
      const double position = std::clamp(start + (i + 0.5) * step - 0.5, 0.0, length - 1.0);
      const int first = std::min(static_cast<int>(position), std::max(0, length - 2));
      const double second = position - first;
      all[i] = {first, {1 - second, second}};
      if (length == 1) all[i].weights = {1};
      continue;
    }
    const double low = start + i * step, high = std::min(low + step, double(length));
    all[i].first = std::min(static_cast<int>(low), length - 1);
    for (int j = all[i].first; j < high && j < length; ++j)
      all[i].weights.push_back((std::min(j + 1.0, high) - std::max<double>(j, low)) /
                               (high - low));
  }
  return all;
}

// One axis of (height, width, 3): the rows of the result are the columns of the source.
template <typename Pixel>
std::vector<float> resize_width_and_transpose(const Pixel* pixels, int width, int height,
                                              const std::vector<Taps>& taps) {
  const std::size_t new_width = taps.size();
  std::vector<float> out(std::size_t{3} * new_width * height);
  for (int y = 0; y < height; ++y)
    for (std::size_t x = 0; x < new_width; ++x) {
      double sum[3] = {};
      const Pixel* pixel = pixels + (std::size_t(y) * width + taps[x].first) * 3;
      for (const double weight : taps[x].weights)
        for (int c = 0; c < 3; ++c) sum[c] += weight * *pixel++;
      for (int c = 0; c < 3; ++c) out[(x * height + y) * 3 + c] = static_cast<float>(sum[c]);
    }
  return out;
}

struct Rectangle {
  std::array<double, 2> start, end;
};

// A part of the image, resized into the input with its corner at (left, top).
void draw(const Image& image, const Rectangle& part, int left, int top, int width, int height,
          std::vector<std::uint8_t>& input, int size) {
  // rows that no pixel of the part needs are not touched
  const int first = std::max(0, static_cast<int>(part.start[1]) - 1);
  const int last = std::min(image.height, static_cast<int>(std::ceil(part.end[1])) + 1);
  const int rows = last - first;
  const auto columns = filter(part.start[0], part.end[0], image.width, width);
  const auto lines = filter(part.start[1] - first, part.end[1] - first, rows, height);
  const auto narrow = resize_width_and_transpose(
      image.pixels.data() + std::size_t{3} * first * image.width, image.width, rows, columns);
  const auto inner = resize_width_and_transpose(narrow.data(), rows, width, lines);
  for (int y = 0; y < height; ++y)
    for (int i = 0; i < 3 * width; ++i)
      input[std::size_t{3} * ((top + y) * size + left) + i] =
          static_cast<std::uint8_t>(inner[std::size_t{3} * y * width + i] + 0.5f);
}

}  // namespace

void check(const Image& image) {
  if (image.width < 1 || image.height < 1 ||
      image.pixels.size() != std::size_t{3} * image.width * image.height)
    throw Error("an image needs width * height * 3 values, one of " + std::to_string(image.width) +
                " x " + std::to_string(image.height) + " has " +
                std::to_string(image.pixels.size()));
}

Input letterbox(const Image& image, int size, std::uint8_t pad_value) {
  const double longer = std::max(image.width, image.height);
  // nearbyint takes halves to the even neighbour, as Python does
  const int width = std::max(1, static_cast<int>(std::nearbyint(image.width * size / longer)));
  const int height = std::max(1, static_cast<int>(std::nearbyint(image.height * size / longer)));
  const int left = (size - width) / 2, top = (size - height) / 2;
  Input input{std::vector<std::uint8_t>(std::size_t{3} * size * size, pad_value),
              {{double(width) / image.width, double(height) / image.height},
               {double(left), double(top)}}};
  draw(image, {{0, 0}, {double(image.width), double(image.height)}}, left, top, width, height,
       input.pixels, size);
  return input;
}

Input crop(const Image& image, const std::array<double, 4>& box, double crop_scale, int size,
           std::uint8_t pad_value) {
  const double side = crop_scale * std::max(box[2] - box[0], box[3] - box[1]);
  if (!(side > 0) || !std::isfinite(side)) throw Error("a face's box is empty");
  const double scale = size / side;
  Input input{std::vector<std::uint8_t>(std::size_t{3} * size * size, pad_value),
              {{scale, scale}, {}}};
  const std::array<double, 2> extent{double(image.width), double(image.height)};
  std::array<int, 2> first, last;  // the whole input pixels that the image covers
  Rectangle part;
  for (int i = 0; i < 2; ++i) {
    const double offset = -((box[i] + box[i + 2]) / 2 - side / 2) * scale;
    input.placement.offset[i] = offset;
    first[i] = static_cast<int>(std::clamp<double>(std::ceil(offset), 0, size));
    last[i] = static_cast<int>(std::clamp<double>(std::floor(offset + scale * extent[i]), 0, size));
    part.start[i] = std::clamp((first[i] - offset) / scale, 0.0, extent[i]);
    part.end[i] = std::clamp((last[i] - offset) / scale, 0.0, extent[i]);
  }
  if (last[0] > first[0] && last[1] > first[1])
    draw(image, part, first[0], first[1], last[0] - first[0], last[1] - first[1], input.pixels,
         size);
  return input;
}

}  // namespace edgeface
