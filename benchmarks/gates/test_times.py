"""Absolute times, recorded and never gated: ``pytest benchmarks/gates/test_times.py``.

Each case asserts its result, or is asserted in ``ratios.py``, before it is timed.
"""

import pytest

from benchmarks import cases
from edgeface.kernels import numba_installed

ENGINES = [
    "numpy",
    pytest.param(
        "numba", marks=pytest.mark.skipif(not numba_installed(), reason="numba is not installed")
    ),
]


@pytest.mark.parametrize("count", [0, 1, 5, 20])
@pytest.mark.parametrize("engine", ENGINES)
def test_run(benchmark, engine, count):
    benchmark.pedantic(cases.run(engine, count), rounds=15, warmup_rounds=2)


def test_network(benchmark):
    benchmark.pedantic(cases.network(), rounds=15, warmup_rounds=2)


@pytest.mark.parametrize("count", [0, 1, 5, 20])
@pytest.mark.parametrize("engine", ENGINES)
def test_post_processing(benchmark, engine, count):
    benchmark.pedantic(cases.post_processing(engine, count), rounds=200, warmup_rounds=5)


@pytest.mark.parametrize("size", [(240, 320), (480, 640), (1080, 1920)], ids=str)
@pytest.mark.parametrize("engine", ENGINES)
def test_resize(benchmark, engine, size):
    assert cases.resize(engine, *size)().any()
    benchmark.pedantic(cases.resize(engine, *size), rounds=20, warmup_rounds=2)


@pytest.mark.parametrize("engine", ENGINES)
def test_decode_and_suppress(benchmark, engine):
    case = cases.decode_and_suppress(engine, cases.noisy_detection())
    assert len(case()) > 5
    benchmark.pedantic(case, rounds=200, warmup_rounds=5)


@pytest.mark.parametrize("count", [1, 20])
@pytest.mark.parametrize("engine", ENGINES)
def test_contraction(benchmark, engine, count):
    case = cases.contraction(engine, count)
    assert case().shape == (count, 68, 3)
    benchmark.pedantic(case, rounds=30, warmup_rounds=3)
