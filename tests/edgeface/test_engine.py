import threading
from pathlib import Path

import numpy as np
import pytest

import edgeface
from edgeface import engine as module
from edgeface.backends import open_backend
from edgeface.bench.planted import PlantedBackend, plant_faces
from edgeface.cli import main
from edgeface.engine import KernelEngine
from edgeface.model import Model


def test_engine_does_what_it_is_told():
    assert KernelEngine("numpy").next_run() == "numpy"
    pytest.importorskip("numba")
    assert KernelEngine("numba").next_run() == "numba"


def test_engine_rejects_other_names():
    with pytest.raises(edgeface.InvalidInputError, match="must be one of auto, numba, numpy"):
        KernelEngine("cuda")


def test_engine_auto_loads_numba_after_some_runs(monkeypatch):
    go = threading.Event()
    monkeypatch.setattr(module, "SWITCH_AFTER", 3)
    monkeypatch.setattr(module, "numba_installed", lambda: True)
    monkeypatch.setattr(module, "warm_up", go.wait)
    engine = KernelEngine("auto")
    assert [engine.next_run() for _ in range(9)] == ["numpy"] * 9
    go.set()
    for thread in threading.enumerate():
        if thread.name == "edgeface-kernels":
            thread.join(10)
    assert engine.next_run() == "numba"
    assert engine.explain() == "auto: numpy at first, numba after 3 runs"


def test_engine_auto_without_numba_stays_on_numpy(monkeypatch):
    monkeypatch.setattr(module, "SWITCH_AFTER", 1)
    monkeypatch.setattr(module, "numba_installed", lambda: False)
    engine = KernelEngine("auto")
    assert [engine.next_run() for _ in range(3)] == ["numpy"] * 3
    assert "not installed" in engine.explain()
    with pytest.raises(edgeface.BackendUnavailableError, match=r"pip install 'edgeface\[fast\]'"):
        KernelEngine("numba")
    with pytest.raises(edgeface.BackendUnavailableError, match="warming up needs numba"):
        module.warm_up()


def test_engines_give_the_same_faces():
    pytest.importorskip("numba")
    backend = PlantedBackend(open_backend(Path(edgeface.DEMO_PHOTO).parent / "mfn.onnx", 1))
    backend.heads = plant_faces(backend.metadata, 7)
    by_numpy, by_numba = (Model(backend, k).run(edgeface.DEMO_PHOTO) for k in ("numpy", "numba"))
    assert len(by_numpy) == len(by_numba) == 7
    for name in ("boxes_xyxy", "scores", "landmarks_3d", "euler_deg", "expression_coeffs"):
        np.testing.assert_allclose(
            getattr(by_numba, name), getattr(by_numpy, name), rtol=1e-4, atol=1e-2
        )


def test_warmup_says_where_the_kernels_are(capsys):
    pytest.importorskip("numba")
    assert main(["warmup"]) == 0
    assert "kept in" in capsys.readouterr().out


def test_warmup_says_when_nothing_can_be_kept(capsys, monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.setattr("edgeface.cli.warmup.cache_folder", lambda: None)
    assert main(["warmup"]) == 1
    assert "no folder can be written" in capsys.readouterr().out
