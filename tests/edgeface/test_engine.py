import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import edgeface
from edgeface import engine as module
from edgeface import model as model_module
from edgeface.backends import open_backend
from edgeface.bench.planted import PlantedBackend, plant_faces
from edgeface.cli import main
from edgeface.engine import CompiledKernels, KernelEngine
from edgeface.model import Model
from tests.processes import run_code


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
    monkeypatch.setattr(module, "compiled_kernels", CompiledKernels())
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
    by_numpy, by_numba = (
        Model(backend, k).run(edgeface.DEMO_PHOTO, detail="fast") for k in ("numpy", "numba")
    )
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


def join_loading_thread():
    for thread in threading.enumerate():
        if thread.name == "edgeface-kernels":
            thread.join(60)


def test_all_models_of_a_process_share_one_warm_up(monkeypatch):
    calls, go = [], threading.Event()

    def warm_up():
        calls.append(threading.current_thread().name)
        go.wait(10)

    monkeypatch.setattr(module, "SWITCH_AFTER", 2)
    monkeypatch.setattr(module, "numba_installed", lambda: True)
    monkeypatch.setattr(module, "warm_up", warm_up)
    monkeypatch.setattr(module, "compiled_kernels", CompiledKernels())
    engines = [KernelEngine("auto") for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(engine.next_run) for engine in engines for _ in range(9)]
    assert {future.result() for future in asked} == {"numpy"}
    go.set()
    join_loading_thread()
    assert calls == ["edgeface-kernels"]
    assert {engine.next_run() for engine in engines} == {"numba"}
    assert KernelEngine("auto").next_run() == "numpy"  # a one-shot never changes over


def test_one_run_has_one_engine(monkeypatch):
    """Although another thread's loading ends in its midst."""
    backend = PlantedBackend(open_backend(Path(edgeface.DEMO_PHOTO).parent / "mfn.onnx", 1))
    backend.heads = plant_faces(backend.metadata, 3)
    shared = CompiledKernels()
    monkeypatch.setattr(shared, "start", lambda: None)
    monkeypatch.setattr(module, "compiled_kernels", shared)
    monkeypatch.setattr(module, "numba_installed", lambda: True)
    monkeypatch.setattr(module, "SWITCH_AFTER", 1)
    model, seen = Model(backend, "auto"), []
    for name in ("find_candidates", "merge_candidates", "pose_faces"):
        real = getattr(model_module.kernels, name)

        def spy(*arguments, engine, real=real, **options):
            seen.append(engine)
            shared.ready = True
            return real(*arguments, engine=engine, **options)

        monkeypatch.setattr(model_module.kernels, name, spy)
    model.run(edgeface.DEMO_PHOTO)
    assert set(seen) == {"numpy"}
    assert len(seen) >= 3
    assert model.engine.current == "numba"


BROKEN = {
    "numba": "raise ImportError('Numba needs NumPy 2.4 or less')",
    "llvmlite": "raise OSError('Could not find/load shared object file')",
}


@pytest.mark.parametrize("library", BROKEN)
def test_a_broken_numba_is_numpy_by_default_and_an_error_by_name(library, tmp_path):
    pytest.importorskip("numba")
    (tmp_path / library).mkdir()
    (tmp_path / library / "__init__.py").write_text(BROKEN[library])
    code = (
        "import threading, edgeface, edgeface.engine as e\n"
        "e.SWITCH_AFTER = 2\n"
        "model = edgeface.load('mfn')\n"
        "counts = [len(model.run(edgeface.DEMO_PHOTO)) for _ in range(4)]\n"
        "[t.join() for t in threading.enumerate() if t.name == 'edgeface-kernels']\n"
        "print(counts, len(model.run(edgeface.DEMO_PHOTO)), model.engine.explain())\n"
        "try: edgeface.load('mfn', kernels='numba')\n"
        "except edgeface.BackendUnavailableError as error: print(error)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    result = run_code(code, env=environment)
    assert result.stderr == ""
    first, second = result.stdout.splitlines()
    assert first.startswith("[5, 5, 5, 5] 5 auto: numpy; numba cannot be used: ")
    assert second.startswith("numba is installed, but broken: ")
    assert "pip install --force-reinstall" in second


def test_two_models_start_numba_at_once_in_a_fresh_process():
    """What each thread imports first is the other's half-imported module."""
    pytest.importorskip("numba")
    code = (
        "import threading, edgeface, edgeface.engine as e\n"
        "e.SWITCH_AFTER = 3\n"
        "def work(size, seen):\n"
        "    model = edgeface.load('mfn', input_size=size, num_threads=1)\n"
        "    while model.engine.next_run() == 'numpy':\n"
        "        seen.append(len(model.run(edgeface.DEMO_PHOTO)))\n"
        "    seen.append(len(model.run(edgeface.DEMO_PHOTO)))\n"
        "seen = [[], []]\n"
        "threads = [threading.Thread(target=work, args=a) for a in zip((288, 320), seen)]\n"
        "[t.start() for t in threads]; [t.join() for t in threads]\n"
        "print([len(set(s)) for s in seen], e.compiled_kernels.problem)\n"
    )
    result = run_code(code)
    assert result.stderr == ""
    assert result.stdout.strip() == "[1, 1]"


@pytest.mark.parametrize("kernels", ["numpy", "numba"])
def test_eight_threads_give_what_one_gives_bit_for_bit(kernels, random):
    if kernels == "numba":
        pytest.importorskip("numba")
    photo = edgeface.read_image(edgeface.DEMO_PHOTO)
    images = [photo[: 300 + 37 * i, 40 * i :] for i in range(6)]
    model = edgeface.load("mfn", kernels=kernels, num_threads=1)
    expected = [model.run(image) for image in images]
    rows = random.integers(0, len(images), 48).tolist()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda row: model.run(images[row]), rows))
    for row, faces in zip(rows, found, strict=True):
        for name in ("boxes_xyxy", "scores", "landmarks_3d", "expression_coeffs", "rotation"):
            np.testing.assert_array_equal(getattr(faces, name), getattr(expected[row], name))
