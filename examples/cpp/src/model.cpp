#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <utility>

#include "decode.hpp"
#include "edgeface/edgeface.hpp"
#include "face_model.hpp"
#include "metadata.hpp"

namespace edgeface {

namespace {

constexpr std::size_t crops_at_once = 32;  // so that the network's memory has a bound

std::string bytes_of(const std::string& path) {
  std::ostringstream bytes;
  bytes << std::ifstream(path, std::ios::binary).rdbuf();
  if (bytes.str().empty()) throw Error("it cannot be read, or is empty");
  return bytes.str();
}

Ort::Session open(const Ort::Env& environment, const std::string& path, int num_threads) {
  if (num_threads < 1) throw Error("num_threads must be at least 1");
  const auto bytes = bytes_of(path);
  Ort::SessionOptions options;
  options.SetIntraOpNumThreads(num_threads);
  return {environment, bytes.data(), bytes.size(), options};
}

std::string entry(const Ort::Session& session, const char* key) {
  Ort::AllocatorWithDefaultOptions allocator;
  const auto text = session.GetModelMetadata().LookupCustomMetadataMapAllocated(key, allocator);
  if (!text) throw Error(std::string("the model file lacks ") + key);
  return text.get();
}

// Turns an exception of the engine, or of what reads a damaged file, into the library's own.
template <typename Work>
auto translated(const std::string& source, Work work) {
  try {
    return work();
  } catch (const std::exception& error) {
    throw Error(source + ": " + error.what());
  }
}

}  // namespace

struct Model::Opened {
  Ort::Env environment{ORT_LOGGING_LEVEL_WARNING, "edgeface"};
  mutable Ort::Session session;
  FaceModel face_model;
  Metadata metadata;
  std::string input_name;
  std::vector<std::string> output_names;

  Opened(const std::string& path, int num_threads)
      : session(open(environment, path, num_threads)),
        face_model(read_face_model(entry(session, "edgeface_face_model"))),
        metadata(read_metadata(entry(session, "edgeface"), face_model)) {
    Ort::AllocatorWithDefaultOptions allocator;
    input_name = session.GetInputNameAllocated(0, allocator).get();
    for (std::size_t i = 0; i < session.GetOutputCount(); ++i)
      output_names.emplace_back(session.GetOutputNameAllocated(i, allocator).get());
  }

  // Hands the raw outputs of a batch of inputs (size, size, 3) to a reader, while they exist.
  template <typename Reader>
  void infer(std::vector<std::uint8_t>& pixels, std::size_t batch, Reader reader) const {
    const std::int64_t size = metadata.input_size;
    const std::array<std::int64_t, 4> shape{static_cast<std::int64_t>(batch), size, size, 3};
    const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    const auto tensor = Ort::Value::CreateTensor<std::uint8_t>(
        memory, pixels.data(), pixels.size(), shape.data(), shape.size());
    std::vector<const char*> names;
    for (const auto& name : output_names) names.push_back(name.c_str());
    const char* input = input_name.c_str();
    const auto values =
        session.Run(Ort::RunOptions{}, &input, &tensor, 1, names.data(), names.size());
    Outputs outputs;
    for (std::size_t i = 0; i < names.size(); ++i) {
      const auto about = values[i].GetTensorTypeAndShapeInfo();
      if (about.GetElementType() != ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT)
        throw Error("the output " + output_names[i] + " is of another type than float");
      outputs[output_names[i]] = {about.GetShape(), values[i].GetTensorData<float>()};
    }
    check(outputs, shape[0], metadata, face_model);
    reader(outputs);
  }
};

Model::Model(const std::string& path, int num_threads)
    : opened_(translated("cannot open " + path, [&] {
        return std::make_unique<const Opened>(path, num_threads);
      })) {}
Model::~Model() = default;
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;

const std::string& Model::kind() const { return opened_->metadata.kind; }
const std::string& Model::name() const { return opened_->metadata.name; }
const std::string& Model::licence() const { return opened_->metadata.licence; }
const std::vector<std::string>& Model::expression_names() const {
  return opened_->metadata.expression_names;
}

std::vector<Face> Model::run(const Image& image, std::optional<double> score_threshold) const {
  const auto& [metadata, face_model] = std::tie(opened_->metadata, opened_->face_model);
  if (!metadata.detects()) throw Error("an " + kind() + " finds no faces: run an mfn first");
  check(image);
  auto input = letterbox(image, metadata.input_size, metadata.pad_value);
  std::vector<Face> faces;
  translated(name(), [&] {
    opened_->infer(input.pixels, 1, [&](const Outputs& outputs) {
      const double threshold = score_threshold.value_or(metadata.score_threshold);
      for (auto& raw : detect(outputs, metadata, threshold))
        faces.push_back(decode(std::move(raw), metadata, face_model, input.placement));
    });
  });
  return faces;
}

std::vector<Face> Model::refine(const Image& image, const std::vector<Face>& faces) const {
  const auto& [metadata, face_model] = std::tie(opened_->metadata, opened_->face_model);
  if (metadata.detects()) throw Error("an " + kind() + " finds its own faces: refine by an sfn");
  check(image);
  std::vector<Face> closer;
  for (std::size_t start = 0; start < faces.size(); start += crops_at_once) {
    const auto batch = std::min(crops_at_once, faces.size() - start);
    std::vector<std::uint8_t> pixels;
    std::vector<Placement> placements;
    for (std::size_t i = start; i < start + batch; ++i) {
      const auto input = crop(image, faces[i].box_xyxy, metadata.crop_scale, metadata.input_size,
                              metadata.pad_value);
      pixels.insert(pixels.end(), input.pixels.begin(), input.pixels.end());
      placements.push_back(input.placement);
    }
    translated(name(), [&] {
      opened_->infer(pixels, batch, [&](const Outputs& outputs) {
        for (std::size_t i = 0; i < batch; ++i) {
          closer.push_back(decode(face_of_crop(outputs, i, metadata), metadata, face_model,
                                  placements[i]));
          closer.back().box_xyxy = faces[start + i].box_xyxy;
          closer.back().score = faces[start + i].score;
        }
      });
    });
  }
  return closer;
}

}  // namespace edgeface
