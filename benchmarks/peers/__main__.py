"""Cost against the number of faces, beside the peers: ``python -m benchmarks.peers``.

All run on the same mosaics of real faces, in one process on one pinned core, in turn; what is
counted is the CPU time of the whole process, so that threads hide nothing. Beside the times stand
the faces that each found: a peer that finds fewer does less work.

    pip install mediapipe opencv-python-headless matplotlib
    python -m benchmarks.peers PACK.zip --mediapipe face_landmarker.task [--yunet FILE.onnx]
        [--models mfn mfn@224 mfn-int8.tflite] [--threshold SCORE] [--json FILE] [--plot FILE.png]
"""

import argparse
import io
import json
import os
import sys
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.peers.contestants import OURS, contestants
from edgeface.bench.system import system_record
from edgeface.timing import PROCESSOR, take_turns

COUNTS = (0, 1, 2, 5, 10, 20)
SIZE = (480, 640)
ROUNDS = 12
LIMITS = {("mediapipe", 1): 0.8, ("mediapipe", 5): 0.2, ("mediapipe", 10): 0.17}
"""Of `run` over a peer with what it reports besides faces, by the number of faces."""


def mosaic(faces, count):
    """``count`` square face photos on a lattice over grey, uint8 (H, W, 3)."""
    canvas = np.full((*SIZE, 3), 127, np.uint8)
    if count == 0:
        return canvas
    columns = 1
    while columns * max(1, int(columns * SIZE[0] / SIZE[1])) < count:
        columns += 1
    rows = -(-count // columns)
    side = min(SIZE[1] // columns, SIZE[0] // rows)
    for i in range(count):
        row, column = divmod(i, columns)
        tile = Image.fromarray(faces[i % len(faces)]).resize((side, side), Image.Resampling.BICUBIC)
        canvas[row * side :, column * side :][:side, :side] = np.asarray(tile)
    return canvas


def photos(pack, count):
    """Face photos of a pack, evenly spread."""
    with zipfile.ZipFile(pack) as archive:
        names = sorted(n for n in archive.namelist() if n.endswith(".jpg"))
        picked = np.linspace(0, len(names) - 1, count).astype(int)
        return [np.asarray(Image.open(io.BytesIO(archive.read(names[i])))) for i in picked]


def measure(runners, images):
    """{name: {count: {cpu_ms, q25_ms, q75_ms, found}}}; runners take turns."""
    record = {name: {} for name in runners}
    for count, image in images.items():
        found = {name: run(image) for name, run in runners.items()}
        calls = {name: partial(run, image) for name, run in runners.items()}
        for name, timing in take_turns(calls, ROUNDS, warm_up=0, clock=PROCESSOR).items():
            low, median, high = timing.quartiles_ms
            record[name][count] = {
                "cpu_ms": median,
                "q25_ms": low,
                "q75_ms": high,
                "found": found[name],
            }
    return record


def gate(record):
    """Lines that say which limits hold; the second value is whether all do."""
    lines, good = [], True
    for name in (name for name in record if name.startswith(OURS)):
        for (peer, count), limit in LIMITS.items():
            if peer not in record:
                continue
            ratio = record[name][count]["cpu_ms"] / record[peer][count]["cpu_ms"]
            good = good and ratio <= limit
            lines.append(f"{name} over {peer}, {count} faces: {ratio:.3f}, limit {limit}")
    return lines, good


def plot(record, path):
    """Two panels: CPU time, and faces found, against the number of faces."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, (cost, found) = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for name, by_count in record.items():
        counts = list(by_count)
        cost.plot(counts, [by_count[c]["cpu_ms"] for c in counts], marker="o", label=name)
        found.plot(counts, [by_count[c]["found"] for c in counts], marker="o", label=name)
    found.plot(COUNTS, COUNTS, color="0.7", linestyle=":", label="in the picture")
    cost.set(xlabel="faces in the picture", ylabel="CPU ms", title="cost on one core")
    found.set(xlabel="faces in the picture", ylabel="faces", title="faces found")
    for panel in (cost, found):
        panel.set_xticks(COUNTS)
    found.set_yticks(COUNTS)
    cost.set_ylim(0)
    cost.legend()
    found.legend()
    figure.savefig(path, dpi=110)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pack", type=Path, help="a zip of face photos, such as faces68-300w.zip")
    parser.add_argument(
        "--models",
        nargs="+",
        default=["mfn"],
        help="of edgeface; @PX after a name is another input size",
    )
    parser.add_argument("--threshold", type=float, help="of edgeface; default: the model's own")
    parser.add_argument("--mediapipe", type=Path, metavar="face_landmarker.task")
    parser.add_argument("--yunet", type=Path, metavar="face_detection_yunet.onnx")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    faces = photos(arguments.pack, max(COUNTS))
    images = {count: mosaic(faces, count) for count in COUNTS}
    record = measure(contestants(arguments, SIZE), images)
    width = max(map(len, record))
    print(f"{'':<{width}}" + "".join(f"{count:>16}" for count in COUNTS))
    for name, by_count in record.items():
        cells = (f"{v['cpu_ms']:.1f} ms, {v['found']}" for v in by_count.values())
        print(f"{name:<{width}}" + "".join(f"{cell:>16}" for cell in cells))
    lines, good = gate(record)
    print("\n".join(lines))
    if arguments.json:
        whole = {"system": system_record(), "results": record}
        arguments.json.write_text(json.dumps(whole, indent=1))
    if arguments.plot:
        plot(record, arguments.plot)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
