// Finds every face of an image with a model file that edgeface exports; nothing else is needed.
//
//   edgeface::Model model("mfn.onnx");
//   for (const auto& face : model.run(edgeface::read_image("photo.jpg")))
//     std::cout << face.score << ' ' << face.blendshapes.at("jawOpen") << '\n';
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace edgeface {

// What a file or an argument is wrong in.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct Image {
  int width = 0, height = 0;
  std::vector<std::uint8_t> pixels;  // RGB, rows first, width * height * 3 of them
};

// A JPEG, PNG or another format of stb_image. An EXIF orientation is not respected.
Image read_image(const std::string& path);

// The fields of Python's Face. Positions are pixels of the image, x right, y down, the origin at the
// corner of its top-left pixel; z has their unit and grows away from the camera.
struct Face {
  std::array<double, 4> box_xyxy{};
  double score = 0;
  std::vector<std::array<double, 3>> landmarks_3d;  // 68; their x and y are landmarks_2d
  std::array<double, 3> euler_deg{};                // pitch, yaw, roll
  std::array<std::array<double, 3>, 3> rotation{};  // rows
  std::vector<double> identity_coeffs, expression_coeffs;
  std::array<double, 3> translation{};
  double focal = 0;
  std::map<std::string, double> blendshapes;  // by ARKit's names; what cannot be seen is absent
  // Pitch and yaw of the right eye and of the left, relative to the head, and where the irises lie;
  // of networks that see it.
  std::optional<std::array<std::array<double, 2>, 2>> gaze_deg, iris_centres;
  // Raw values of outputs that this version does not know, such as a newer file's.
  std::map<std::string, std::vector<double>> other_outputs;
};

// An open model file. One may be used from several threads.
class Model {
 public:
  explicit Model(const std::string& path, int num_threads = 1);
  ~Model();
  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;

  const std::string& kind() const;  // "mfn" finds faces, "sfn" looks closer at them
  const std::string& name() const;
  const std::string& licence() const;  // of the weights
  const std::vector<std::string>& expression_names() const;  // of expression_coeffs

  // The faces that reach a score, by default the file's own; best first. For an mfn.
  std::vector<Face> run(const Image& image, std::optional<double> score_threshold = {}) const;

  // The same faces as this network sees them; box and score stay. For an sfn.
  std::vector<Face> refine(const Image& image, const std::vector<Face>& faces) const;

 private:
  struct Opened;
  std::unique_ptr<const Opened> opened_;
};

}  // namespace edgeface
