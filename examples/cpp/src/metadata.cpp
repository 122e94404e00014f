#include "metadata.hpp"

#include <nlohmann/json.hpp>

#include "edgeface/edgeface.hpp"

namespace edgeface {

namespace {

constexpr int schema_major = 1, wide_schema_major = 2;  // 2: cells reach beyond themselves
constexpr int max_input_size = 4096;

Metadata read(const nlohmann::json& json) {
  const auto& version = json.at("schema_version");
  const bool wide = version.at(0) == wide_schema_major;
  if (!wide && version.at(0) != schema_major)
    throw Error("this program reads metadata 1.x and 2.x, the file has " + version.dump());
  Metadata metadata{};
  json.at("kind").get_to(metadata.kind);
  if (metadata.kind != "mfn" && metadata.kind != "sfn")
    throw Error("this program runs an mfn or an sfn, the file holds a " + metadata.kind);
  json.at("name").get_to(metadata.name);
  json.at("licence").get_to(metadata.licence);
  json.at("input_size").get_to(metadata.input_size);
  json.at("input").at("pad_value").get_to(metadata.pad_value);
  json.at("expression_names").get_to(metadata.expression_names);
  json.at("unseen_expressions").get_to(metadata.unseen_expressions);
  const auto& pose = json.at("pose_slices");
  pose.at("quaternion_wxyz").at(0).get_to(metadata.quaternion);
  pose.at("translation").at(0).get_to(metadata.translation);
  pose.at("scale_logit").at(0).get_to(metadata.scale_logit);
  if (metadata.detects()) {
    json.at("stride").get_to(metadata.stride);
    if (wide) json.at("cell_range").get_to(metadata.cell_range);
    json.at("anchors").get_to(metadata.anchors);
    json.at("score_threshold").get_to(metadata.score_threshold);
    json.at("iou_threshold").get_to(metadata.iou_threshold);
  } else {
    json.at("crop_scale").get_to(metadata.crop_scale);
  }
  return metadata;
}

}  // namespace

Metadata read_metadata(const std::string& text, const FaceModel& face_model) {
  const auto json = nlohmann::json::parse(text);
  const auto metadata = read(json);
  if (metadata.input_size < 1 || metadata.input_size > max_input_size)
    throw Error("input_size is out of range: " + std::to_string(metadata.input_size));
  if (metadata.detects() && (metadata.stride < 1 || metadata.anchors.empty()))
    throw Error("there is no grid without a stride and anchors");
  if (face_model.sha256 != json.at("face_model_sha256"))
    throw Error("the face model in the file is not the one its metadata names");
  if (metadata.expression_names.size() != face_model.num_expressions)
    throw Error("the face model has other expressions than the metadata names");
  return metadata;
}

}  // namespace edgeface
