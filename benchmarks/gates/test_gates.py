"""The gates, and that each of them shuts: ``pytest benchmarks/gates``."""

import time

import pytest

from benchmarks.gates import ratios
from benchmarks.gates.limits import LIMITS
from edgeface import detector, kernels
from edgeface.kernels import numba_installed


@pytest.mark.parametrize("name", LIMITS)
def test_gate(name, record_property):
    if "numba" in name and not numba_installed():
        pytest.skip("numba is not installed")
    record_property("ratio", ratios.check(name))


def slowed(function, seconds):
    def slow(*arguments, **options):
        time.sleep(seconds)
        return function(*arguments, **options)

    return slow


# what is made slower, by how many seconds, and the gates that must notice
PLANTED = [
    (detector, "letterbox", 0.05, "run over network, numpy"),
    (kernels, "pose_faces", 0.05, "run over network, numpy"),
    (kernels, "decode_candidates", 0.05, "decode and suppress over the oracle, numpy"),
    (kernels, "suppress", 0.05, "decode and suppress over the oracle, numpy"),
    (kernels, "contract_shapes", 0.05, "contraction of 20 faces over a copy of the tensor, numpy"),
]


@pytest.mark.parametrize(
    ("module", "name", "seconds", "gate"), PLANTED, ids=[p[1] for p in PLANTED]
)
def test_planted_slow_down_shuts_the_gate(monkeypatch, module, name, seconds, gate):
    monkeypatch.setattr(module, name, slowed(getattr(module, name), seconds))
    with pytest.raises(AssertionError, match="the limit is"):
        ratios.check(gate)


def test_planted_cost_a_face_shuts_the_gate(monkeypatch):
    """What the project promises against: work that grows with the number of faces."""
    whole = kernels.pose_faces

    def a_face_at_a_time(basis, boxes, *arguments, **options):
        time.sleep(0.002 * len(boxes))
        return whole(basis, boxes, *arguments, **options)

    monkeypatch.setattr(kernels, "pose_faces", a_face_at_a_time)
    with pytest.raises(AssertionError, match="the limit is"):
        ratios.check("run with 20 faces over 1, numpy")
