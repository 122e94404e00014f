// The library against the test vectors:  edgeface_test MODEL.onnx VECTORS.json
#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "decode.hpp"
#include "edgeface/edgeface.hpp"

using edgeface::Face;
using nlohmann::json;

namespace {

constexpr double nobody = -30;  // logit
int num_failed = 0;

void expect(bool good, const std::string& what) {
  if (!good) std::cerr << "FAILED: " << what << "\n";
  num_failed += !good;
}

template <typename Work>
void expect_error(const std::string& text, Work work) {
  try {
    work();
    expect(false, "no error that says \"" + text + "\"");
  } catch (const edgeface::Error& error) {
    expect(std::string(error.what()).find(text) != std::string::npos, error.what());
  }
}

json as_json(const Face& face) {
  json made{{"box_xyxy", face.box_xyxy},
          {"score", face.score},
          {"landmarks_3d", face.landmarks_3d},
          {"euler_deg", face.euler_deg},
          {"rotation", face.rotation},
          {"translation", face.translation},
          {"focal", face.focal},
          {"blendshapes", face.blendshapes},
          {"identity_coeffs", face.identity_coeffs},
          {"expression_coeffs", face.expression_coeffs}};
  if (face.gaze_deg) {
    made["gaze_deg"] = *face.gaze_deg;
    made["iris_centres"] = *face.iris_centres;
  }
  return made;
}

// Compares all numbers of two texts of the same structure.
void compare(const std::string& what, const json& actual, const json& expected, double limit) {
  const auto got = actual.flatten(), wanted = expected.flatten();
  expect(got.size() == wanted.size(), what + " has another structure");
  double worst = 0;
  std::string place;
  for (const auto& [path, value] : wanted.items()) {
    const double difference =
        got.contains(path) ? std::abs(got.at(path).get<double>() - value.get<double>()) : INFINITY;
    if (difference > worst || std::isnan(difference)) worst = difference, place = path;
  }
  std::cout << what << ": largest difference " << worst << "\n";
  expect(worst <= limit, what + " differs by " + std::to_string(worst) + " at " + place);
}

void compare_faces(const std::string& what, const std::vector<Face>& faces, const json& expected,
                   double limit) {
  expect(faces.size() == expected.size(), what + ": " + std::to_string(faces.size()) + " faces");
  for (std::size_t i = 0; i < std::min(faces.size(), expected.size()); ++i)
    compare(what + ", face " + std::to_string(i), as_json(faces[i]), expected[i], limit);
}

// Full outputs, in which only the candidates of the vectors are faces, and one more that is unknown.
struct Made {
  std::map<std::string, std::vector<float>> values;
  edgeface::Outputs outputs;

  void add(const std::string& name, std::vector<std::int64_t> shape, std::vector<float> data) {
    values[name] = std::move(data);
    outputs[name] = {std::move(shape), values[name].data()};
  }
};

Made outputs_of(const json& vectors) {
  const std::size_t num_anchors = vectors["metadata"]["anchors"].size();
  Made made;
  for (const auto& [name, about] : vectors["outputs"].items()) {
    const std::size_t rows = about["shape"][0], columns = about["shape"][1],
                      width = about["shape"][2].get<std::size_t>() / num_anchors;
    std::vector<float> data(rows * columns * num_anchors * width);
    if (name == "detection")
      for (std::size_t i = 4; i < data.size(); i += width) data[i] = nobody;
    for (const auto& candidate : vectors["candidates"]) {
      const std::array<std::size_t, 3> cell = candidate["cell"];
      const std::size_t first = ((cell[0] * columns + cell[1]) * num_anchors + cell[2]) * width;
      for (std::size_t k = 0; k < width; ++k) data[first + k] = candidate[name][k];
    }
    const std::int64_t depth = num_anchors * width;
    made.add(name, {1, std::int64_t(rows), std::int64_t(columns), depth}, std::move(data));
  }
  const auto& shape = made.outputs["detection"].shape;
  const std::int64_t depth = num_anchors * 2;
  made.add("later", {1, shape[1], shape[2], depth},
           std::vector<float>(shape[1] * shape[2] * depth, 0.5f));
  return made;
}

edgeface::FaceModel face_model_of(const char* path) {
  const Ort::Env environment(ORT_LOGGING_LEVEL_WARNING, "test");
  const Ort::Session session(environment, path, Ort::SessionOptions{});
  Ort::AllocatorWithDefaultOptions allocator;
  return edgeface::read_face_model(
      session.GetModelMetadata()
          .LookupCustomMetadataMapAllocated("edgeface_face_model", allocator)
          .get());
}

void check_mfn(const edgeface::Model& model, const edgeface::FaceModel& face_model,
               const edgeface::Metadata& metadata, const json& vectors,
               const std::string& folder) {
  const double threshold = vectors["score_threshold"];
  const auto made = outputs_of(vectors);
  std::vector<Face> faces;
  for (const auto& raw : edgeface::detect(made.outputs, metadata, threshold))
    faces.push_back(edgeface::decode(raw, metadata, face_model, {{1, 1}, {0, 0}}));
  compare_faces("from the raw values", faces, vectors["faces"], 1e-3);
  for (const auto& face : faces)
    compare("an unknown output", face.other_outputs, {{"later", {0.5, 0.5}}}, 1e-9);

  const auto input = edgeface::read_image(folder + vectors["input"]["file"].get<std::string>());
  compare_faces("from the input", model.run(input, threshold), vectors["faces"], 5e-3);
  expect(model.run(input, 1.0).empty(), "faces at a score of 1");
  expect_error("finds its own faces", [&] { model.refine(input, {}); });
  expect_error("width * height", [&] { model.run({2, 2, {0}}); });
}

void check_sfn(const edgeface::Model& model, const edgeface::FaceModel& face_model,
               const edgeface::Metadata& metadata, const json& vectors,
               const std::string& folder) {
  Made made;
  for (const auto& [name, values] : vectors["outputs"].items())
    made.add(name, {1, std::int64_t(values.size())}, values);
  made.add("later", {1, 2}, {0.5f, -0.5f});
  const auto face = edgeface::decode(edgeface::face_of_crop(made.outputs, 0, metadata), metadata,
                                     face_model, {{1, 1}, {0, 0}});
  compare_faces("from the raw values", {face}, vectors["faces"], 1e-3);
  compare("an unknown output", face.other_outputs, {{"later", {0.5, -0.5}}}, 1e-9);

  made.add("gaze", {1, 4}, vectors["gaze"]["raw"]);
  const auto looking = as_json(edgeface::decode(edgeface::face_of_crop(made.outputs, 0, metadata),
                                                metadata, face_model, {{1, 1}, {0, 0}}));
  for (const std::string name : {"gaze_deg", "iris_centres"})
    compare(name, looking[name], vectors["gaze"][name], 1e-3);
  for (const auto& [name, value] : vectors["gaze"]["blendshapes"].items())
    compare(name, {looking["blendshapes"][name]}, {value}, 1e-4);

  const auto input = edgeface::read_image(folder + vectors["input"]["file"].get<std::string>());
  compare_faces("from the input", model.refine(input, {face}), vectors["faces"], 5e-3);
  const std::vector<Face> many(70, face);  // more than one batch
  const auto closer = model.refine(input, many);
  expect(closer.size() == many.size(), "a face is lost between batches");
  compare("the last of many", as_json(closer.back()), as_json(closer.front()), 1e-3);
  Face outside = face;
  outside.box_xyxy = {-900, -900, -800, -800};
  expect(model.refine(input, {outside}).size() == 1, "a box outside the image");
  outside.box_xyxy = {5, 5, 5, 5};
  expect_error("box is empty", [&] { model.refine(input, {outside}); });
  expect_error("run an mfn first", [&] { model.run(input); });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: edgeface_test MODEL.onnx VECTORS.json\n";
    return 2;
  }
  const std::string path = argv[2], folder = path.substr(0, path.rfind('/') + 1);
  std::ifstream file(path);
  const auto vectors = json::parse(file);
  const edgeface::Model model(argv[1]);
  const auto face_model = face_model_of(argv[1]);
  const auto metadata = edgeface::read_metadata(vectors["metadata"].dump(), face_model);
  (metadata.detects() ? check_mfn : check_sfn)(model, face_model, metadata, vectors, folder);
  std::cout << (num_failed ? "FAILED" : "agrees with the vectors") << "\n";
  return num_failed != 0;
}
