#include "decode.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "gaze.hpp"

namespace edgeface {

namespace {

constexpr double max_log_size = 6, least_weight = 1e-12;
const double degrees = 180 / std::acos(-1.0);

using Vector = std::array<double, 3>;
using Matrix = std::array<Vector, 3>;
using Box = std::array<double, 4>;

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

struct Candidate {
  double score;
  Box box;
  std::size_t index;  // of cell and anchor, row-major
};

std::vector<Candidate> candidates(const Output& detection, const Metadata& metadata,
                                  double score_threshold) {
  const auto& anchors = metadata.anchors;
  const double stride = metadata.stride, range = metadata.cell_range;
  const auto within = [range](double t) { return range * sigmoid(t) - (range - 1) / 2; };
  const auto num_rows = detection.shape[1], num_columns = detection.shape[2];
  std::vector<Candidate> found;
  for (std::int64_t row = 0; row < num_rows; ++row)
    for (std::int64_t column = 0; column < num_columns; ++column)
      for (std::size_t a = 0; a < anchors.size(); ++a) {
        const std::size_t index = (row * num_columns + column) * anchors.size() + a;
        const float* t = detection.values + index * detection.shape[3] / anchors.size();
        const double score = sigmoid(t[4]);
        if (!(score >= score_threshold)) continue;
        const double x = (within(t[0]) + column) * stride, y = (within(t[1]) + row) * stride;
        const double w = anchors[a][0] * std::exp(std::clamp<double>(t[2], -max_log_size, max_log_size));
        const double h = anchors[a][1] * std::exp(std::clamp<double>(t[3], -max_log_size, max_log_size));
        found.push_back({score, {x - w / 2, y - h / 2, x + w / 2, y + h / 2}, index});
      }
  return found;
}

double area(const Box& b) { return (b[2] - b[0]) * (b[3] - b[1]); }

double iou(const Box& a, const Box& b) {
  const double width = std::max(0.0, std::min(a[2], b[2]) - std::max(a[0], b[0]));
  const double height = std::max(0.0, std::min(a[3], b[3]) - std::max(a[1], b[1]));
  return width * height / (area(a) + area(b) - width * height);
}

using Members = std::vector<Candidate>;  // a survivor and what it suppressed

// Greedy, best first; the sort is stable, so equal scores keep their order.
std::vector<Members> suppress(std::vector<Candidate> found, double iou_threshold) {
  std::stable_sort(found.begin(), found.end(),
                   [](const auto& a, const auto& b) { return a.score > b.score; });
  std::vector<Members> kept;
  for (const auto& candidate : found) {
    const auto owner = std::find_if(kept.begin(), kept.end(), [&](const Members& better) {
      return iou(better.front().box, candidate.box) > iou_threshold;
    });
    if (owner == kept.end())
      kept.push_back({candidate});
    else
      owner->push_back(candidate);
  }
  return kept;
}

// What each member counts in the face; nothing where it would come or go.
std::vector<double> shares(const Members& members, double score_threshold, double iou_threshold) {
  std::vector<double> weights;
  for (const auto& [score, box, index] : members)
    weights.push_back(std::max(
        score * (score - score_threshold) * (iou(members.front().box, box) - iou_threshold),
        least_weight));
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  for (double& weight : weights) weight /= total;
  return weights;
}

// The mean of the members' values in one output.
std::vector<double> mean(const Output& output, std::size_t num_anchors, const Members& members,
                         const std::vector<double>& weights) {
  const std::size_t width = output.shape[3] / num_anchors;
  std::vector<double> sum(width);
  for (std::size_t m = 0; m < members.size(); ++m)
    for (std::size_t k = 0; k < width; ++k)
      sum[k] += weights[m] * output.values[members[m].index * width + k];
  return sum;
}

Matrix rotation_matrix(std::array<double, 4> q) {
  const double length = std::sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3]);
  if (length > 1e-12)
    for (double& value : q) value /= length;
  else
    q = {1, 0, 0, 0};
  const auto [w, x, y, z] = q;
  return {{{1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)},
           {2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)},
           {2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)}}};
}

// Pitch, yaw and roll of R = Rx(pitch) Ry(yaw) Rz(roll).
Vector euler_degrees(const Matrix& r) {
  const double sine = std::clamp(r[0][2], -1.0, 1.0);
  const bool locked = std::abs(sine) > 1 - 1e-9;
  const double pitch = locked ? std::atan2(r[2][1], r[1][1]) : std::atan2(-r[1][2], r[2][2]);
  const double roll = locked ? 0 : std::atan2(-r[0][1], r[0][0]);
  return {pitch * degrees, std::asin(sine) * degrees, roll * degrees};
}

// sum_i w_i (N_i + sum_k e_k E_ik) at the landmarks, in the model's own frame.
std::vector<Vector> landmark_shape(const FaceModel& model, const std::vector<double>& identity,
                                   const std::vector<double>& expression) {
  std::vector<Vector> shape(model.num_landmarks, Vector{});
  const auto add = [&](const std::vector<float>& shapes, std::size_t index, double weight) {
    for (std::size_t i = 0; i < model.num_landmarks * 3; ++i)
      shape[i / 3][i % 3] += weight * shapes[index * model.num_landmarks * 3 + i];
  };
  for (std::size_t i = 0; i < model.num_identity; ++i) add(model.identity, i, identity.at(i));
  for (std::size_t i = 0; i < model.num_sharing; ++i)
    for (std::size_t k = 0; k < model.num_expressions; ++k)
      add(model.offsets, i * model.num_expressions + k, identity.at(i) * expression.at(k));
  return shape;
}

// By ARKit's names: two of this project's shapes are one of ARKit's, and two are a pair of them.
std::map<std::string, double> arkit(const Metadata& metadata, const std::vector<double>& values) {
  std::map<std::string, double> named;
  for (std::size_t k = 0; k < values.size(); ++k) named[metadata.expression_names[k]] = values[k];
  for (const auto& name : metadata.unseen_expressions) named.erase(name);
  const auto left = named.find("browInnerUpLeft"), right = named.find("browInnerUpRight");
  if (left != named.end() && right != named.end()) {
    named["browInnerUp"] = (left->second + right->second) / 2;
    named.erase(left);
    named.erase(right);
  }
  for (const std::string single : {"eyeLookUp", "eyeLookDown"})
    if (const auto found = named.find(single); found != named.end()) {
      named[single + "Left"] = named[single + "Right"] = found->second;
      named.erase(found);
    }
  return named;
}

std::vector<double> taken(RawFace& raw, const char* name) {
  const auto found = raw.values.find(name);
  if (found == raw.values.end()) throw Error(std::string("the network has no output ") + name);
  auto values = std::move(found->second);
  raw.values.erase(found);
  return values;
}

}  // namespace

void check(const Outputs& outputs, std::int64_t batch, const Metadata& metadata,
           const FaceModel& face_model) {
  using Shape = std::vector<std::int64_t>;
  const std::map<std::string, std::size_t> widths{{"detection", 5},
                                                  {"identity", face_model.num_identity},
                                                  {"expression", face_model.num_expressions}};
  const auto cells = metadata.detects() ? metadata.input_size / metadata.stride : 0;
  const auto anchors = static_cast<std::int64_t>(metadata.anchors.size());
  const auto single = metadata.detects() ? Shape{batch, cells, cells, anchors} : Shape{batch, 1};
  for (const auto& [name, output] : outputs) {
    auto shape = single;
    if (const auto known = widths.find(name); known != widths.end())
      shape.back() *= static_cast<std::int64_t>(known->second);
    else if (!output.shape.empty())  // any number of values
      shape.back() *= output.shape.back() / single.back();
    if (output.shape != shape)
      throw Error("the output " + name + " has another shape than the metadata says");
  }
}

std::vector<RawFace> detect(const Outputs& outputs, const Metadata& metadata,
                            double score_threshold) {
  const auto detection = outputs.find("detection");
  if (detection == outputs.end()) throw Error("the network has no output detection");
  const double iou_threshold = metadata.iou_threshold;
  std::vector<RawFace> faces;
  for (const auto& members :
       suppress(candidates(detection->second, metadata, score_threshold), iou_threshold)) {
    const auto weights = shares(members, score_threshold, iou_threshold);
    RawFace face{{}, members.front().score, {}};
    for (std::size_t m = 0; m < members.size(); ++m)
      for (int i = 0; i < 4; ++i) face.box[i] += weights[m] * members[m].box[i];
    for (const auto& [name, output] : outputs)
      if (name != "detection")
        face.values[name] = mean(output, metadata.anchors.size(), members, weights);
    faces.push_back(std::move(face));
  }
  return faces;
}

RawFace face_of_crop(const Outputs& outputs, std::size_t row, const Metadata& metadata) {
  const double size = metadata.input_size, side = size / metadata.crop_scale;
  const double low = (size - side) / 2, high = (size + side) / 2;
  RawFace face{{low, low, high, high}, 1, {}};
  for (const auto& [name, output] : outputs) {
    const auto width = static_cast<std::size_t>(output.shape[1]);
    const float* first = output.values + row * width;
    face.values[name] = {first, first + width};
  }
  return face;
}

Face decode(RawFace raw, const Metadata& metadata, const FaceModel& face_model,
            const Placement& placement) {
  const auto& [scale, offset] = placement;
  const auto& box = raw.box;
  Face face;
  face.score = raw.score;
  face.identity_coeffs = taken(raw, "identity");
  face.expression_coeffs = taken(raw, "expression");
  auto pose = taken(raw, "pose");
  const auto gaze = raw.values.extract("gaze");  // networks may have none
  face.other_outputs = std::move(raw.values);
  for (double& value : face.expression_coeffs) value = sigmoid(value);
  face.blendshapes = arkit(metadata, face.expression_coeffs);
  const auto q = metadata.quaternion;
  if (face.identity_coeffs.at(0) < 0) {  // the shape reflected, where a half turn is meant
    for (double& value : face.identity_coeffs) value = -value;
    const double w = pose.at(q), x = pose.at(q + 1), y = pose.at(q + 2), z = pose.at(q + 3);
    pose[q] = -z, pose[q + 1] = -y, pose[q + 2] = x, pose[q + 3] = w;
  }
  face.rotation = rotation_matrix({pose.at(q), pose.at(q + 1), pose.at(q + 2), pose.at(q + 3)});
  face.euler_deg = euler_degrees(face.rotation);
  face.focal = sigmoid(pose.at(metadata.scale_logit));
  for (std::size_t axis = 0; axis < 3; ++axis)
    face.translation[axis] = pose.at(metadata.translation + axis);
  const Vector centre{(box[0] + box[2]) / 2, (box[1] + box[3]) / 2, 0};
  // input pixels a model unit
  const double unit = face.focal * std::max(box[2] - box[0], box[3] - box[1]);
  for (const auto& point :
       landmark_shape(face_model, face.identity_coeffs, face.expression_coeffs)) {
    Vector p;
    for (std::size_t axis = 0; axis < 3; ++axis) {
      const auto& r = face.rotation[axis];
      const double value = r[0] * point[0] + r[1] * point[1] + r[2] * point[2] +
                           face.translation[axis];
      p[axis] = centre[axis] + (axis == 0 ? unit : -unit) * value;  // y and z turn round
    }
    face.landmarks_3d.push_back({(p[0] - offset[0]) / scale[0], (p[1] - offset[1]) / scale[1],
                                 p[2] / ((scale[0] + scale[1]) / 2)});
  }
  for (int i = 0; i < 4; ++i) face.box_xyxy[i] = (box[i] - offset[i % 2]) / scale[i % 2];
  if (gaze) look(face, gaze.mapped());
  return face;
}

}  // namespace edgeface
