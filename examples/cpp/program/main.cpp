// Finds the faces of an image with nothing but the model file:
//   edgeface_example MODEL.onnx IMAGE [--refine SFN.onnx] [--threshold SCORE] [--json]
#include <edgeface/edgeface.hpp>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>

namespace {

constexpr std::size_t num_shown = 3;
constexpr const char* usage =
    "usage: edgeface_example MODEL.onnx IMAGE [--refine SFN.onnx] [--threshold SCORE] [--json]\n";

void print_json(const std::string& image, const std::vector<edgeface::Face>& faces) {
  auto list = nlohmann::json::array();
  for (const auto& face : faces) {
    auto flat = nlohmann::json::array();
    for (const auto& [x, y, z] : face.landmarks_3d) flat.push_back({x, y});
    list.push_back({{"box_xyxy", face.box_xyxy},
                    {"score", face.score},
                    {"landmarks_2d", flat},
                    {"landmarks_3d", face.landmarks_3d},
                    {"euler_deg", face.euler_deg},
                    {"rotation", face.rotation},
                    {"translation", face.translation},
                    {"focal", face.focal},
                    {"blendshapes", face.blendshapes},
                    {"identity_coeffs", face.identity_coeffs},
                    {"expression_coeffs", face.expression_coeffs},
                    {"other_outputs", face.other_outputs}});
    if (face.gaze_deg) {
      list.back()["gaze_deg"] = *face.gaze_deg;
      list.back()["iris_centres"] = *face.iris_centres;
    }
  }
  // names of files may be no UTF-8
  std::cout << nlohmann::json{{"image", image}, {"faces", list}}.dump(
                   -1, ' ', false, nlohmann::json::error_handler_t::replace)
            << "\n";
}

void print_table(const std::vector<edgeface::Face>& faces) {
  std::printf("%zu %s\n", faces.size(), faces.size() == 1 ? "face" : "faces");
  for (const auto& face : faces) {
    const auto& [x0, y0, x1, y1] = face.box_xyxy;
    const auto& [pitch, yaw, roll] = face.euler_deg;
    std::printf("score %.2f  box (%.0f, %.0f, %.0f, %.0f)  pitch %+.0f yaw %+.0f roll %+.0f deg",
                face.score, x0, y0, x1, y1, pitch, yaw, roll);
    std::vector<std::pair<double, std::string>> strongest;
    for (const auto& [name, value] : face.blendshapes) strongest.emplace_back(-value, name);
    std::sort(strongest.begin(), strongest.end());
    strongest.resize(std::min(num_shown, strongest.size()));
    for (const auto& [value, name] : strongest) std::printf("  %s %.2f", name.c_str(), -value);
    std::printf("\n");
  }
}

struct Options {
  std::vector<std::string> files;
  std::optional<std::string> refine;
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
    } else if (arguments[i] == "--refine") {
      if (++i == arguments.size()) return {};
      options.refine = arguments[i];
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
    std::cerr << usage;
    return 2;
  }
  const auto &file = options->files[0], &photo = options->files[1];
  const edgeface::Model model(file);
  const auto image = edgeface::read_image(photo);
  auto faces = model.run(image, options->threshold);
  if (options->refine) faces = edgeface::Model(*options->refine).refine(image, faces);
  if (options->json)
    print_json(photo, faces);
  else
    print_table(faces);
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
