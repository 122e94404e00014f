#include "gaze.hpp"

#include <algorithm>
#include <cmath>

namespace edgeface {

namespace {

using Pair = std::array<double, 2>;
using Vector = std::array<double, 3>;

constexpr std::size_t corners[2][2] = {{36, 39}, {42, 45}};  // of the right eye and of the left
constexpr double centre[3] = {0.04, 0.08, -0.2};  // of the eyeball from the middle, in eye widths
constexpr double radius = 0.4;                    // of the iris centre around it
constexpr double full_look_deg[2] = {22, 38};     // pitch and yaw at which ARKit's names are 1
const double degrees = 180 / std::acos(-1.0);

Pair iris_centre(const Face& face, std::size_t eye, double pitch, double yaw) {
  const auto &first = face.landmarks_3d.at(corners[eye][0]),
             &last = face.landmarks_3d.at(corners[eye][1]);
  const double width =
      std::hypot(first[0] - last[0], first[1] - last[1], first[2] - last[2]);
  const double side = eye == 0 ? -1 : 1;  // outwards from the nose
  const Vector place{side * centre[0] + radius * std::sin(yaw),
                     centre[1] - radius * std::sin(pitch) * std::cos(yaw),
                     centre[2] + radius * std::cos(pitch) * std::cos(yaw)};
  Pair iris;
  for (int axis = 0; axis < 2; ++axis) {
    const auto& r = face.rotation[axis];
    const double turned = r[0] * place[0] + r[1] * place[1] + r[2] * place[2];
    // the model's y points up
    iris[axis] = (first[axis] + last[axis]) / 2 + (axis == 0 ? 1 : -1) * width * turned;
  }
  return iris;
}

}  // namespace

void look(Face& face, const std::vector<double>& gaze) {
  face.gaze_deg.emplace();
  face.iris_centres.emplace();
  for (std::size_t eye = 0; eye < 2; ++eye) {
    const double pitch = gaze.at(2 * eye), yaw = gaze.at(2 * eye + 1);
    (*face.gaze_deg)[eye] = {pitch * degrees, yaw * degrees};
    (*face.iris_centres)[eye] = iris_centre(face, eye, pitch, yaw);
    const double down = pitch * degrees / full_look_deg[0], left = yaw * degrees / full_look_deg[1];
    const double inwards = eye == 0 ? left : -left;  // the right eye looks at the nose looking left
    const std::pair<const char*, double> ways[] = {
        {"Up", -down}, {"Down", down}, {"In", inwards}, {"Out", -inwards}};
    for (const auto& [way, value] : ways)
      face.blendshapes[std::string("eyeLook") + way + (eye == 0 ? "Right" : "Left")] =
          std::clamp(value, 0.0, 1.0);
  }
}

}  // namespace edgeface
