#include <edgeface/edgeface.hpp>
#include <iostream>

int main(int, char** argv) {
  edgeface::Model model(argv[1]);
  for (const auto& face : model.run(edgeface::read_image(argv[2])))
    std::cout << face.score << ' ' << face.blendshapes.at("jawOpen") << '\n';
}
