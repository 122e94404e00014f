// Finds the faces of an image with nothing but the model file:
//   edgeface_example MODEL.onnx IMAGE [--threshold SCORE] [--json]
#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <stdexcept>

#include "decode.hpp"

namespace {

constexpr int schema_major = 1;
constexpr std::size_t num_shown = 3;

std::string metadata_entry(const Ort::Session& session, const char* key) {
  Ort::AllocatorWithDefaultOptions allocator;
  const auto text = session.GetModelMetadata().LookupCustomMetadataMapAllocated(key, allocator);
  if (!text) throw std::runtime_error(std::string("the model file lacks ") + key);
  return text.get();
}

nlohmann::json read_metadata(const Ort::Session& session) {
  auto metadata = nlohmann::json::parse(metadata_entry(session, "edgeface"));
  const auto version = metadata.at("schema_version");
  if (version.at(0) != schema_major)
    throw std::runtime_error("this program reads metadata 1.x, the file has " + version.dump());
  if (metadata.at("kind") != "mfn") throw std::runtime_error("this program runs an mfn");
  return metadata;
}

std::vector<Face> run(Ort::Session& session, const nlohmann::json& metadata,
                      const FaceModel& face_model, const Image& image, double score_threshold) {
  const int size = metadata.at("input_size");
  Placement placement;
  Image input = letterbox(image, size, metadata.at("input").at("pad_value"), placement);
  const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  const std::array<std::int64_t, 4> shape{1, size, size, 3};
  const auto tensor = Ort::Value::CreateTensor<std::uint8_t>(
      memory, input.pixels.data(), input.pixels.size(), shape.data(), shape.size());
  Ort::AllocatorWithDefaultOptions allocator;
  const auto input_name = session.GetInputNameAllocated(0, allocator);
  std::vector<std::string> names;
  for (const auto& [name, unused] : metadata.at("outputs").items()) names.push_back(name);
  std::vector<const char*> pointers;
  for (const auto& name : names) pointers.push_back(name.c_str());
  const char* inputs[] = {input_name.get()};
  const auto values =
      session.Run(Ort::RunOptions{}, inputs, &tensor, 1, pointers.data(), pointers.size());
  std::map<std::string, Output> outputs;
  for (std::size_t i = 0; i < names.size(); ++i) {
    outputs[names[i]] = {values[i].GetTensorTypeAndShapeInfo().GetShape(),
                         values[i].GetTensorData<float>()};
    if (outputs[names[i]].shape.size() != 4)
      throw std::runtime_error(names[i] + " is not (batch, rows, columns, channels)");
  }
  return decode(outputs, metadata, face_model, placement, score_threshold);
}

void print_json(const std::string& image, const std::vector<Face>& faces) {
  auto list = nlohmann::json::array();
  for (const auto& face : faces)
    list.push_back({{"box_xyxy", face.box_xyxy},
                    {"score", face.score},
                    {"landmarks_3d", face.landmarks_3d},
                    {"euler_deg", face.euler_deg},
                    {"rotation", face.rotation},
                    {"identity_coeffs", face.identity_coeffs},
                    {"expression_coeffs", face.expression_coeffs}});
  std::cout << nlohmann::json{{"image", image}, {"faces", list}} << "\n";
}

void print_table(const std::vector<Face>& faces, const nlohmann::json& metadata) {
  const auto names = metadata.at("expression_names").get<std::vector<std::string>>();
  const auto unseen = metadata.at("unseen_expressions").get<std::vector<std::string>>();
  std::printf("%zu %s\n", faces.size(), faces.size() == 1 ? "face" : "faces");
  for (const auto& face : faces) {
    const auto& [x0, y0, x1, y1] = face.box_xyxy;
    const auto& [pitch, yaw, roll] = face.euler_deg;
    std::printf("score %.2f  box (%.0f, %.0f, %.0f, %.0f)  pitch %+.0f yaw %+.0f roll %+.0f deg",
                face.score, x0, y0, x1, y1, pitch, yaw, roll);
    std::vector<std::pair<double, std::string>> shown;
    for (std::size_t k = 0; k < names.size(); ++k)
      if (std::find(unseen.begin(), unseen.end(), names[k]) == unseen.end())
        shown.emplace_back(-face.expression_coeffs.at(k), names[k]);
    std::sort(shown.begin(), shown.end());
    for (std::size_t k = 0; k < std::min(num_shown, shown.size()); ++k)
      std::printf("  %s %.2f", shown[k].second.c_str(), -shown[k].first);
    std::printf("\n");
  }
}

struct Options {
  std::vector<std::string> files;
  std::optional<double> threshold;
  bool json = false;
};

// Nothing where the command line is not as the usage says.
std::optional<Options> read_options(const std::vector<std::string>& arguments) {
  Options options;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--json") {
      options.json = true;
    } else if (arguments[i] == "--threshold") {
      double value;
      if (++i == arguments.size() || !(std::istringstream(arguments[i]) >> value)) return {};
      options.threshold = value;
    } else {
      options.files.push_back(arguments[i]);
    }
  }
  if (options.files.size() != 2) return {};
  return options;
}

int run_program(const std::vector<std::string>& arguments) {
  const auto options = read_options(arguments);
  if (!options) {
    std::cerr << "usage: edgeface_example MODEL.onnx IMAGE [--threshold SCORE] [--json]\n";
    return 2;
  }
  const auto &model = options->files[0], &image = options->files[1];
  Ort::Env environment(ORT_LOGGING_LEVEL_WARNING, "edgeface");
  Ort::Session session(environment, model.c_str(), Ort::SessionOptions{});
  const auto metadata = read_metadata(session);
  const auto face_model = read_face_model(metadata_entry(session, "edgeface_face_model"));
  if (face_model.sha256 != metadata.at("face_model_sha256"))
    throw std::runtime_error("the face model in the file is not the one its metadata names");
  const double score = options->threshold.value_or(metadata.at("score_threshold").get<double>());
  const auto faces = run(session, metadata, face_model, read_image(image), score);
  if (options->json)
    print_json(image, faces);
  else
    print_table(faces, metadata);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run_program({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::cerr << "edgeface_example: " << error.what() << "\n";
    return 1;
  }
}
