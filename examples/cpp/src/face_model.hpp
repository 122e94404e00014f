// The face model that a model file carries: a base64 .npz (docs/explanation/face-model.md).
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace edgeface {

// The 3DMM at its landmarks alone, in the model's own frame.
struct FaceModel {
  std::size_t num_landmarks, num_identity, num_expressions;
  std::size_t num_sharing;      // 1 where all identities share their expression shapes
  std::vector<float> identity;  // (num_identity, num_landmarks, 3)
  std::vector<float> offsets;   // (num_sharing, num_expressions, num_landmarks, 3)
  std::string sha256;
};

// Throws an Error where the text is damaged.
FaceModel read_face_model(const std::string& base64);

}  // namespace edgeface
