"""Where ONNX Runtime spends its time: ``python -m benchmarks.profile.network [MODEL.onnx]``."""

import argparse
import json
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import onnxruntime

from edgeface.metadata import KEY
from edgeface.model import ASSETS

ROUNDS = 40


def profile(path):
    """[(node, operator, output shape, microseconds a run)], the costliest first."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.enable_profiling = True
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = str(Path(folder) / "ort")
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        size = json.loads(session.get_modelmeta().custom_metadata_map[KEY])["input_size"]
        picture = np.random.default_rng(0).integers(0, 256, (1, size, size, 3), np.uint8)
        for _ in range(ROUNDS):
            session.run(None, {session.get_inputs()[0].name: picture})
        events = json.loads(Path(session.end_profiling()).read_text())
    times, shapes = defaultdict(list), {}
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            name = event["name"].removesuffix("_kernel_time")
            key = (name, event["args"]["op_name"])
            times[key].append(event["dur"])
            types = event["args"].get("output_type_shape") or [{}]
            shapes[key] = next(iter(types[0].values()), None)
    nodes = [(*k, shapes[k], float(np.median(v))) for k, v in times.items()]
    return sorted(nodes, key=lambda node: -node[3])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", default=str(ASSETS / "mfn.onnx"), metavar="MODEL.onnx")
    path = parser.parse_args().model
    nodes = profile(path)
    total = sum(node[3] for node in nodes)
    by_operator = defaultdict(lambda: [0, 0.0])
    for _, operator, _, microseconds in nodes:
        by_operator[operator][0] += 1
        by_operator[operator][1] += microseconds
    print(f"{path}: {total / 1e3:.2f} ms in {len(nodes)} nodes, one thread")
    for operator, (count, spent) in sorted(by_operator.items(), key=lambda i: -i[1][1]):
        print(f"  {operator:<24}{count:>4}  {spent / 1e3:7.2f} ms  {spent / total:6.1%}")
    print("costliest nodes")
    for name, operator, shape, microseconds in nodes[:25]:
        print(f"  {microseconds / 1e3:7.3f} ms  {operator:<20}{shape!s:<22}{name}")


if __name__ == "__main__":
    main()
