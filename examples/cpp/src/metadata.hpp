// What a model file says of itself, as far as reading its outputs needs it.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "face_model.hpp"

namespace edgeface {

struct Metadata {
  std::string kind, name, licence;
  int input_size;
  std::uint8_t pad_value;
  std::vector<std::string> expression_names, unseen_expressions;
  std::size_t quaternion, translation, scale_logit;  // where each starts in `pose`
  // of an mfn
  int stride = 0;
  double cell_range = 1, score_threshold = 0, iou_threshold = 0;
  std::vector<std::array<double, 2>> anchors;
  // of an sfn
  double crop_scale = 0;

  bool detects() const { return kind == "mfn"; }
};

// Throws an Error where an entry is missing, of another type, impossible, or of another major version.
Metadata read_metadata(const std::string& json, const FaceModel& face_model);

}  // namespace edgeface
