// Where the eyes look, for networks that have the output `gaze`.
#pragma once

#include <vector>

#include "edgeface/edgeface.hpp"

namespace edgeface {

// Fills in what follows from the network's four values, radians, once the face has its landmarks.
void look(Face& face, const std::vector<double>& gaze);

}  // namespace edgeface
