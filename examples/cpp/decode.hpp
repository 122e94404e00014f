// Raw outputs of an mfn to faces; the equations of docs/reference/model-format.md.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "face_model.hpp"
#include "image.hpp"

// One output for one image: (1, rows, columns, anchors * width).
struct Output {
  std::vector<std::int64_t> shape;
  const float* values;
};

// Pixels of the image; z has the unit of x and y and grows away from the camera.
struct Face {
  std::array<double, 4> box_xyxy;
  double score;
  std::vector<std::array<double, 3>> landmarks_3d;
  std::array<double, 3> euler_deg;  // pitch, yaw, roll
  std::array<std::array<double, 3>, 3> rotation;
  std::vector<double> identity_coeffs, expression_coeffs;
};

// The faces that reach a score and that no better one overlaps too much, best first.
std::vector<Face> decode(const std::map<std::string, Output>& outputs,
                         const nlohmann::json& metadata, const FaceModel& face_model,
                         const Placement& placement, double score_threshold);
