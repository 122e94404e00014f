"""What the gates compare, and how.

Both sides of a ratio are called in turn, and each counts with its fastest call: what other
processes do can make a call slower, never faster.
"""

import numpy as np
from PIL import Image

from benchmarks import cases
from benchmarks.gates.limits import LIMITS
from edgeface.timing import take_turns
from tests.oracles import detection as oracle

ROUNDS = 25
TRIES = 4


def oracle_decode_and_suppress(detection):
    metadata = cases.backend().metadata
    anchors = np.array(metadata.anchors)

    def both():
        found = oracle.decode(detection, anchors, metadata.stride, 0.5)
        boxes, scores = [b for _, b, _ in found], [s for s, _, _ in found]
        return np.array([boxes[i] for i in oracle.suppress(boxes, scores, 0.45)])

    return both


def pillow(height, width):
    picture, size = cases.image(height, width), cases.backend().metadata.input_size
    inner = (size, round(height * size / width))
    return lambda: np.asarray(
        Image.fromarray(picture).resize(inner, Image.Resampling.BILINEAR, reducing_gap=3.0)
    )


def pair(name):
    """The two things that a gate compares, checked against each other where they can be."""
    engine = "numpy" if name.endswith("numpy") and "numba over" not in name else "numba"
    case = name.rpartition(", num")[0] if ", num" in name else name
    if name == "post-processing, numba over numpy":
        ours, theirs = (cases.post_processing(e, 5) for e in ("numba", "numpy"))
        np.testing.assert_allclose(ours().landmarks_3d, theirs().landmarks_3d, atol=1e-2)
        return ours, theirs
    if case == "run over network":
        return cases.run(engine, 1), cases.network()
    if case == "run with 20 faces over 1":
        return cases.run(engine, 20), cases.run(engine, 1)
    if case == "post-processing of 20 faces over 1":
        return cases.post_processing(engine, 20), cases.post_processing(engine, 1)
    if case == "decode and suppress over the oracle":
        detection = cases.noisy_detection()
        ours, theirs = (
            cases.decode_and_suppress(engine, detection),
            oracle_decode_and_suppress(detection),
        )
        np.testing.assert_allclose(ours(), theirs(), rtol=1e-4, atol=1e-2)
        return ours, theirs
    if case == "resize 1920 x 1080 over Pillow":
        ours, theirs = cases.resize(engine, 1080, 1920), pillow(1080, 1920)
        inside = ours()[63:225].astype(int)
        assert np.abs(inside - theirs()).mean() < 3
        return ours, theirs
    if case == "contraction of 20 faces over a copy of the tensor":
        return cases.contraction(engine, 20), cases.tensor_copy()
    raise KeyError(name)


def ratio(ours, theirs, rounds=ROUNDS):
    """Fastest call of one over fastest call of the other, called in turn."""
    timing = take_turns({"ours": ours, "theirs": theirs}, rounds, warm_up=0)
    return timing["ours"].fastest_ms / timing["theirs"].fastest_ms


def check(name):
    """Measure a gate's ratio; AssertionError where it stays above its limit."""
    ours, theirs = pair(name)
    found = []
    for _ in range(TRIES):
        found.append(ratio(ours, theirs))
        if found[-1] <= LIMITS[name]:
            return found[-1]
    raise AssertionError(f"{name}: {min(found):.3f}, the limit is {LIMITS[name]}")
