"""Where the time of `edgeface convert` goes: wall and processor seconds of each step.

    python -m benchmarks.profile.converting PHOTOS [--network mfn] [--to onnx] [--precision int8]

``PHOTOS`` is a folder of real photos, which int8 is calibrated on; up to 200 are used. The network,
formats and precisions are those of ``edgeface convert``. Processor time is of all threads; without
``--threads`` PyTorch takes as many as it likes.
"""

import argparse
import itertools
import sys
import tempfile
import time


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", help="a folder of real photos")
    parser.add_argument("--network", default="mfn", help="a network or checkpoint (default: mfn)")
    parser.add_argument("--to", default="onnx", metavar="FORMATS", help="(default: onnx)")
    parser.add_argument("--precision", default="int8", metavar="PRECISIONS", help="(default: int8)")
    parser.add_argument("--threads", type=int, help="of PyTorch")
    return parser.parse_args()


def main(started):
    arguments = parse()
    marks = [("starting", started, 0.0)]

    def mark(step):
        marks.append((step, time.monotonic(), time.process_time()))
        print(step, file=sys.stderr, flush=True)

    import torch

    from edgeface.converters import convert

    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        convert(
            arguments.network,
            folder,
            arguments.to.split(","),
            arguments.precision.split(","),
            calibration=arguments.photos,
            progress=mark,
        )
        mark("in all")
    print(f"| {'step':<52} | wall, s | processor, s |\n|{'-' * 54}|--------:|-------------:|")
    for (step, *before), (_, *after) in itertools.pairwise(marks):
        print(f"| {step:<52} | {after[0] - before[0]:7.1f} | {after[1] - before[1]:12.1f} |")
    print(f"| {'in all':<52} | {marks[-1][1] - started:7.1f} | {marks[-1][2]:12.1f} |")


if __name__ == "__main__":
    main(time.monotonic())
