"""Signatures of the compiled kernels, and the folder that keeps them between processes."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgeface import kernels
from edgeface.kernels import jit

numba = pytest.importorskip("numba")
ANCHORS = np.array([[13, 17], [44, 56]], np.float32)


def boxes_and_scores(count):
    low = np.random.default_rng(0).uniform(0, 60, (count, 2)).astype(np.float32)
    return np.concatenate([low, low + 9], axis=1), np.linspace(0.9, 0.2, count, dtype=np.float32)


def test_resize_compiles_once():
    from edgeface.kernels.compiled.resize import resize_loops

    image = np.zeros((9, 8, 3), np.uint8)
    fixed = image.copy()
    fixed.flags.writeable = False
    for view in (image, image[::2, ::-1], np.asfortranarray(image), image[:1], fixed):
        for size in ((4, 4), (12, 12)):
            kernels.resize_into(view, np.zeros((16, 16, 3), np.uint8), (1, 1), size, "numba")
    assert len(resize_loops.signatures) == 1


def test_decode_compiles_once():
    from edgeface.kernels.compiled.detect import decode_loops

    for dtype in (np.float32, np.float64, np.float16):
        for size in (1, 3, 9):
            grid = np.zeros((size, size, 10), dtype)
            for view in (grid, grid[:, ::-1]):
                kernels.decode_candidates(view, ANCHORS, 16, 0.1, engine="numba")
    assert len(decode_loops.signatures) == 1


def test_suppress_compiles_once():
    from edgeface.kernels.compiled.detect import suppress_loops

    for method in ("greedy", "soft", "weighted"):
        for threshold in (0, 0.5, np.float32(0.5)):
            kernels.suppress(
                *boxes_and_scores(9), threshold, method=method, max_faces=5, engine="numba"
            )
    assert len(suppress_loops.signatures) == 1


def test_pose_and_contraction_compile_once(face_model):
    from edgeface.kernels.compiled.pose import contract_loops, pose_loops

    shared = kernels.Basis.from_shapes(*face_model.landmark_shapes)
    full = kernels.Basis(np.zeros((50, 48, 204), np.float32), False, 50, 46)
    for basis in (shared, full):
        for count in (0, 1, 3):
            identity, expression = np.zeros((count, 50)), np.zeros((count, 46), np.float32)
            boxes, pose = np.zeros((count, 4), np.float32), np.zeros((count, 8))
            kernels.contract_shapes(basis, identity, expression, engine="numba")
            kernels.pose_faces(
                basis, boxes, identity, expression, pose, np.ones((1, 4)), engine="numba"
            )
    assert len(contract_loops.signatures) == 1
    assert len(pose_loops.signatures) == 1


ONE_KERNEL = (
    "import numpy as np; from edgeface.kernels import cache_folder;"
    "from edgeface.kernels.compiled.pose import sigmoid_loops as kernel;"
    "kernel(np.zeros((1, 1), np.float32), np.zeros((1, 1), np.float32));"
    "print(cache_folder(), sum(kernel.stats.cache_hits.values()))"
)


def run(environment, count=1, code=ONE_KERNEL):
    """What so many processes at once print: their cache folder and how often it helped."""
    keep = {k: v for k, v in os.environ.items() if k in ("PATH", "SYSTEMROOT", "LANG")}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            env=keep | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(count)
    ]
    printed = []
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        printed.append(out.split())
    return printed


def test_cache_serves_the_next_process_and_several_at_once(tmp_path):
    environment = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    first = run(environment, count=3)
    assert all(folder.startswith(str(tmp_path / "cache" / "edgeface")) for folder, _ in first)
    assert run(environment)[0][1] == "1"


def test_cache_is_not_used_for_another_cpu(tmp_path):
    environment = {"XDG_CACHE_HOME": str(tmp_path)}
    run(environment)
    other = environment | {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    assert run(other)[0][1] == "0"
    assert run(other)[0][1] == "1"
    assert run(environment)[0][1] == "1"


def test_cache_that_is_damaged_is_made_again(tmp_path):
    environment = {"XDG_CACHE_HOME": str(tmp_path)}
    run(environment)
    for path in tmp_path.rglob("*.nb?"):
        path.write_bytes(path.read_bytes()[:20])
    run(environment)


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="needs a POSIX home")
def test_cache_without_a_home_lies_in_a_private_folder(tmp_path):
    file = tmp_path / "no-home"
    file.write_text("")
    ((folder, _),) = run({"HOME": str(file), "TMPDIR": str(tmp_path)})
    assert folder.startswith(str(tmp_path))
    assert Path(folder).stat().st_mode & 0o077 == 0


@pytest.mark.skipif(sys.platform == "win32", reason="needs the POSIX variable")
def test_cache_folder_is_not_in_the_current_one(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    assert all(folder.is_absolute() for folder in jit.base_folders())


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="needs POSIX permissions")
def test_cache_folder_that_others_may_write_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setattr(jit, "base_folders", lambda: [tmp_path])
    jit.cache_folder.cache_clear()
    try:
        folder = jit.cache_folder()
        assert folder is not None
        (tmp_path / "edgeface").chmod(0o777)
        jit.cache_folder.cache_clear()
        assert jit.cache_folder() is None
    finally:
        jit.cache_folder.cache_clear()


def test_kernels_run_where_nothing_can_be_written(tmp_path):
    file = tmp_path / "a-file"
    file.write_text("no folder can be made below a file")
    nowhere = {"HOME": str(file), "XDG_CACHE_HOME": str(file)}
    code = f"import tempfile; tempfile.tempdir = {str(file)!r};" + ONE_KERNEL
    assert run(nowhere, code=code) == [["None", "0"]]


def test_jit_leaves_the_settings_of_others_alone(monkeypatch, tmp_path):
    before = numba.config.CACHE_DIR
    jit.jit(lambda x: x)
    assert before == numba.config.CACHE_DIR
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    jit.jit(boxes_and_scores)
    assert str(tmp_path) == numba.config.CACHE_DIR
