"""What a narrower MFN would save: the table of "A leaner one" in ``docs/explanation/networks.md``.

    python -m benchmarks.studies.widths

Networks of random weights are exported to ONNX and take turns on one thread. The fastest call of
each counts, by processor time.
"""

import argparse
from dataclasses import replace
from functools import partial

import numpy as np
import onnxruntime
import torch

from edgeface.converters import network_metadata
from edgeface.converters.to_onnx import FORMAT, INPUT
from edgeface.face_model import default_face_model
from edgeface.reference.networks import CONFIGS, build_network
from edgeface.reference.networks.checkpoint import TrainedNetwork
from edgeface.reference.networks.cost import count
from edgeface.timing import PROCESSOR, take_turns

LEAN = CONFIGS["mfn-lean"]
CANDIDATES = {
    "`mfn`": CONFIGS["mfn"],
    "**`mfn-lean`**: stem 16, squeeze 8, 16, 32, 64, expand 32, 64, 128, 256": LEAN,
    "squeeze 16 in the first block": replace(LEAN, squeeze=(16, 16, 32, 64)),
    "squeeze 16, 32, 48, 64": replace(LEAN, squeeze=(16, 32, 48, 64)),
    "expand 160 in the third block": replace(LEAN, expand=(32, 64, 160, 256)),
    "expand 192 there, squeeze 48": replace(
        LEAN, squeeze=(8, 16, 48, 64), expand=(32, 64, 192, 256)
    ),
    "32 filters in the stem": replace(LEAN, stem_filters=32),
    "96 units a head": replace(LEAN, head_units=96),
    "64 units a head": replace(LEAN, head_units=64),
    "`mfn-9x9`": CONFIGS["mfn-9x9"],
}
ROUNDS = 60


def session(config):
    """ONNX Runtime on one thread, with the file that a network of random weights becomes."""
    torch.manual_seed(0)
    network = build_network(config).eval()
    trained = TrainedNetwork(config, network, default_face_model(), 0, {})
    graph = FORMAT.export(trained, network_metadata(trained)).SerializeToString()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def main():
    """Print the table."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    picture = np.random.default_rng(0).integers(0, 256, (1, 288, 288, 3), np.uint8)
    calls = {
        name: partial(session(config).run, None, {INPUT: picture})
        for name, config in CANDIDATES.items()
    }
    timings = take_turns(calls, ROUNDS, clock=PROCESSOR)
    least = timings["`mfn`"].fastest_ms
    print("| network | parameters, million | time, of the `mfn`'s |\n|---|---:|---:|")
    for name, timing in timings.items():
        parameters, _ = count(CANDIDATES[name])
        ratio = timing.fastest_ms / least
        print(f"| {name} | {parameters / 1e6:.2f} | {ratio:.3f} ({timing.fastest_ms:.2f} ms) |")


if __name__ == "__main__":
    main()
