// Raw outputs to faces; the equations of docs/reference/model-format.md.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "edgeface/edgeface.hpp"
#include "face_model.hpp"
#include "image.hpp"
#include "metadata.hpp"

namespace edgeface {

// One output: (1, rows, columns, anchors * width) of an mfn, (crops, width) of an sfn.
struct Output {
  std::vector<std::int64_t> shape;
  const float* values;
};
using Outputs = std::map<std::string, Output>;

// What the network says of one face, by output, before any sigmoid.
struct RawFace {
  std::array<double, 4> box;  // input pixels
  double score;
  std::map<std::string, std::vector<double>> values;
};

// Throws an Error unless the outputs have the shapes that follow from the metadata.
void check(const Outputs& outputs, std::int64_t batch, const Metadata& metadata,
           const FaceModel& face_model);

// An mfn's faces that reach a score and that no better one overlaps too much, best first.
std::vector<RawFace> detect(const Outputs& outputs, const Metadata& metadata,
                            double score_threshold);

// An sfn's face in one crop of a batch.
RawFace face_of_crop(const Outputs& outputs, std::size_t row, const Metadata& metadata);

// The face in pixels of the image.
Face decode(RawFace raw, const Metadata& metadata, const FaceModel& face_model,
            const Placement& placement);

}  // namespace edgeface
