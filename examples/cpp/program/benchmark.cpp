// Processor time of a photo, one thread:  edgeface_benchmark MFN.onnx SFN.onnx IMAGE [RUNS]
#include <edgeface/edgeface.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>

namespace {

constexpr int num_warm = 5;

// Prints the median and the quartiles of as many runs, in ms.
template <typename Work>
void time(const char* what, int num_runs, Work work) {
  std::vector<double> times;
  for (int i = -num_warm; i < num_runs; ++i) {
    const auto start = std::clock();  // of this process alone, whatever else the machine does
    work();
    if (i >= 0) times.push_back(1e3 * double(std::clock() - start) / CLOCKS_PER_SEC);
  }
  std::sort(times.begin(), times.end());
  std::printf("%-34s %7.2f ms   (%.2f to %.2f)\n", what, times[times.size() / 2],
              times[times.size() / 4], times[times.size() * 3 / 4]);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: edgeface_benchmark MFN.onnx SFN.onnx IMAGE [RUNS]\n");
    return 2;
  }
  try {
    const edgeface::Model mfn(argv[1]), sfn(argv[2]);
    const auto image = edgeface::read_image(argv[3]);
    const int num_runs = argc > 4 ? std::max(1, std::atoi(argv[4])) : 100;
    const auto faces = mfn.run(image);
    std::printf("%s, %d x %d, %zu faces; median and middle half of %d runs, one thread\n", argv[3],
                image.width, image.height, faces.size(), num_runs);
    time("mfn: every face", num_runs, [&] { mfn.run(image); });
    time("sfn: the same faces again", num_runs, [&] { sfn.refine(image, faces); });
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "edgeface_benchmark: %s\n", error.what());
    return 1;
  }
}
