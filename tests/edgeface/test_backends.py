"""Every backend behaves alike: outputs, threads, clones, pickles, bad files and devices."""

import multiprocessing
import os
import pickle
import struct
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import edgeface
from edgeface import (
    BackendUnavailableError,
    InferenceError,
    InvalidInputError,
    MetadataError,
    ModelFormatError,
)
from edgeface.backends import processors
from edgeface.backends import tflite as tflite_backend
from edgeface.backends.coreml import CoremlBackend
from edgeface.backends.tflite_metadata import read_metadata_buffers
from edgeface.metadata import FACE_MODEL_KEY, KEY
from edgeface.ready import find_ready, write_ready
from tests.fakes import metadata_of

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
SIZE = 64


@pytest.fixture(params=["onnx", "tflite", "pt2"])
def path(request):
    """A small SFN in each format that runs everywhere."""
    return request.getfixturevalue(f"{request.param}_file")


@pytest.fixture
def model(path):
    return edgeface.load(path)


@pytest.fixture
def inputs(random):
    return random.integers(0, 256, (4, SIZE, SIZE, 3), np.uint8)


def same(a, b):
    return all(np.array_equal(a[name], b[name]) for name in a)


def test_infer_gives_every_output_of_a_batch(model, inputs):
    heads = model.infer(inputs)
    assert list(heads) == list(model.metadata.output_names)
    for name, head in heads.items():
        assert head.shape == (4, *model.metadata.output_shape(name))
        assert head.dtype == np.float32
        one = model.infer(inputs[2:3])[name]
        np.testing.assert_allclose(head[2:3], one, atol=1e-5)
    assert model.infer(inputs[:0])["pose"].shape == (0, 8)


@pytest.mark.parametrize(
    "change",
    [lambda x: x[0], lambda x: x[:, :9], lambda x: x.astype(np.float32), lambda _: [1, 2]],
    ids=["no batch", "another size", "floats", "a list"],
)
def test_other_inputs_are_refused(model, random, change):
    inputs = random.integers(0, 256, (4, SIZE, SIZE, 3), np.uint8)
    with pytest.raises(InvalidInputError, match=r"infer takes uint8 of shape \(B, 64, 64, 3\)"):
        model.infer(change(inputs))


def test_one_model_serves_several_threads(model, random):
    batches = [random.integers(0, 256, (1, SIZE, SIZE, 3), np.uint8) for _ in range(40)]
    expected = [model.infer(batch) for batch in batches]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(model.infer, batches))
    assert all(same(a, b) for a, b in zip(found, expected, strict=True))


def test_clone_and_pickle_give_the_same_model(model, inputs):
    expected = model.infer(inputs)
    clone, copy = model.clone(), pickle.loads(pickle.dumps(model))
    model.close()
    assert same(clone.infer(inputs), expected)
    assert same(copy.infer(inputs), expected)
    assert len(pickle.dumps(clone)) < 1000  # the path, not the weights


def test_a_closed_model_says_so(path, inputs):
    with edgeface.load(path, num_threads=1) as model:
        model.infer(inputs)
    model.close()
    with pytest.raises(InferenceError, match="is closed"):
        model.run(np.zeros((9, 9, 3), np.uint8))


def test_unknown_devices_are_named(path):
    with pytest.raises(BackendUnavailableError, match="abacus"):
        edgeface.load(path, device="abacus")


@pytest.mark.parametrize(
    ("limits", "usable", "threads"),
    [
        ({}, 4, 0),
        ({"cpu.max": "max 100000"}, 4, 0),
        ({"cpu.max": "800000 100000"}, 4, 0),
        ({"cpu.max": "250000 100000"}, 2.5, 2),
        ({"cpu.max": "50000 100000"}, 0.5, 1),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 4, 0),
        ({"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"}, 1, 1),
    ],
)
def test_a_containers_limit_is_heeded(tmp_path, monkeypatch, limits, usable, threads):
    (tmp_path / "cpu").mkdir()
    for name, text in limits.items():
        (tmp_path / name).write_text(f"{text}\n")
    monkeypatch.setattr(processors, "CONTROL_GROUPS", tmp_path)
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(4)), raising=False)
    assert processors.usable_processors() == usable
    assert processors.threads_within_limits() == threads


@pytest.mark.parametrize(("wanted", "given"), [(0, 3), (1, 1)])
def test_onnx_runtime_starts_no_more_threads_than_it_may_use(monkeypatch, wanted, given):
    monkeypatch.setattr("edgeface.backends.onnx.threads_within_limits", lambda: 3)
    model = edgeface.load("sfn", num_threads=wanted)
    assert model._backend._session.get_session_options().intra_op_num_threads == given


def test_onnx_runtime_tells_nobody(monkeypatch):
    runtime = pytest.importorskip("onnxruntime")
    told = [True]
    monkeypatch.setattr(runtime, "disable_telemetry_events", told.clear)
    edgeface.load("sfn", num_threads=1)
    assert not told


@pytest.mark.parametrize("kept", [0, 7, 100, 1 / 3, 1 / 2, -9000])
def test_truncated_files_are_errors(path, tmp_path, kept):
    data = path.read_bytes()
    cut = tmp_path / f"cut{path.suffix}"
    cut.write_bytes(data[: int(kept * len(data)) if isinstance(kept, float) else kept])
    with pytest.raises(ModelFormatError, match="cut"):
        edgeface.load(cut)


def _faces_in_worker(model):
    return len(model.run(np.zeros((50, 50, 3), np.uint8)))


@pytest.mark.parametrize("suffix", [".onnx", ".tflite", ".pt2"])
@pytest.mark.parametrize("make", [lambda path: path.open("wb").truncate(1 << 32), os.mkfifo])
def test_what_no_model_can_be_is_not_read(suffix, make, tmp_path):
    path = tmp_path / f"model{suffix}"
    make(path)
    with pytest.raises(ModelFormatError, match="is no model"):
        edgeface.load(path)


def test_a_tflite_model_does_not_change_with_its_file(tmp_path):
    pytest.importorskip("ai_edge_litert")
    path = write_ready(find_ready("sfn", "tflite"), tmp_path)
    model = edgeface.load(path)
    found = model.run(edgeface.DEMO_PHOTO)
    path.write_bytes(bytes(path.stat().st_size))
    assert model.run(edgeface.DEMO_PHOTO) == found


def test_models_travel_to_worker_processes(onnx_file):
    model = edgeface.load(onnx_file, num_threads=1)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(_faces_in_worker, [model]) == [1]


def test_run_batch_is_run_of_each():
    model = edgeface.load("mfn")
    photo = edgeface.read_image(edgeface.DEMO_PHOTO)
    images = [photo, photo[:, 300:900], photo[::-1]]
    for faces, image in zip(model.run_batch(images, score_threshold=0.1), images, strict=True):
        one = model.run(image, score_threshold=0.1)
        assert len(faces) == len(one)
        np.testing.assert_allclose(faces.landmarks_2d, one.landmarks_2d, atol=0.05)
    assert model.run_batch([]) == []
    with pytest.raises(InvalidInputError, match="for an mfn"):
        edgeface.load("sfn").run_batch(images)


def test_backends_tells_what_is_there_and_what_is_missing(monkeypatch):
    found = {b.suffix: b for b in edgeface.backends()}
    assert found[".onnx"].available
    assert found[".onnx"].version
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for backend in edgeface.backends():
        assert not backend.available
        assert backend.version == ""
        assert "pip install" in backend.install


def test_coreml_elsewhere_says_how_to_verify(monkeypatch, tmp_path):
    monkeypatch.setattr("platform.system", lambda: "Linux")
    with pytest.raises(BackendUnavailableError, match=r"macOS only.*--to coreml"):
        CoremlBackend(tmp_path / "a.mlpackage", 0, None)


@pytest.mark.parametrize("given", [{}, {"identity": np.zeros(7)}], ids=["absent", "short"])
def test_coreml_without_an_output_is_an_error(given):
    backend = object.__new__(CoremlBackend)  # only macOS opens one
    backend.metadata, backend._lock = metadata_of("sfn"), threading.Lock()
    backend._model = SimpleNamespace(predict=lambda _: given)
    with pytest.raises(edgeface.InferenceError, match=r"CoreML failed.*(identity|7)"):
        backend.infer(np.zeros((1, 128, 128, 3), np.uint8))


def test_tflite_accepts_the_earlier_libraries(monkeypatch):
    asked = []

    def only_the_last(name):
        asked.append(name)
        if not name.startswith("tensorflow"):
            raise ImportError(name)
        return "library"

    monkeypatch.setattr(tflite_backend.importlib, "import_module", only_the_last)
    assert tflite_backend.import_library() == "library"
    assert [name.split(".")[0] for name in asked] == [
        "ai_edge_litert", "tflite_runtime", "tensorflow"
    ]  # fmt: skip
    monkeypatch.undo()
    monkeypatch.setattr(tflite_backend, "LIBRARIES", ("edgeface.absent",))
    with pytest.raises(BackendUnavailableError, match=r"pip install 'edgeface\[tflite\]'"):
        tflite_backend.import_library()


def test_tflite_metadata_is_what_the_schema_says(tflite_file):
    """The small reader against the schema's generated classes."""
    utils = pytest.importorskip("ai_edge_litert.tools.flatbuffer_utils")
    model = utils.read_model(str(tflite_file))
    expected = {
        entry.name.decode(): bytes(model.buffers[entry.buffer].data) for entry in model.metadata
    }
    found = read_metadata_buffers(tflite_file.read_bytes(), "file")
    assert found == {name: expected[name] for name in (KEY, FACE_MODEL_KEY)}


def test_tflite_with_very_many_metadata_entries_takes_no_longer():
    """Fifty thousand entries share a name of 4 MB: reading it each time would take minutes."""
    count, length = 50_000, 1 << 22
    model = struct.pack("<9H2xiI", 18, 8, *4 * [0], 4, 0, 4, 20, 4)  # vtable and table
    vector = np.arange(count, 0, -1, "<u4") * 4 + 8  # all lead to the table that follows
    entry = struct.pack("<3H2xiII", 6, 8, 4, 8, 4, length)
    data = struct.pack("<I4s", 28, b"TFL3") + model + struct.pack("<I", count)
    start = time.process_time()
    assert read_metadata_buffers(data + vector.tobytes() + entry + b"a" * length, "file") == {}
    assert time.process_time() - start < 10


def test_tflite_without_metadata_is_an_error(tflite_file, tmp_path):
    data = tflite_file.read_bytes()
    key = b"\x08\x00\x00\x00edgeface\x00"  # a flatbuffer string: its length, then its bytes
    assert data.count(key) == 1
    other = tmp_path / "other.tflite"
    other.write_bytes(data.replace(key, key.replace(b"face", b"foot")))
    with pytest.raises(MetadataError, match="carries no metadata"):
        edgeface.load(other)


def test_flipped_bytes_in_tflite_tables_are_errors_or_harmless(tflite_file, random):
    """Whatever the offsets say, the reader raises its own error and reads nothing outside."""
    data = bytearray(tflite_file.read_bytes())
    places = np.concatenate([np.arange(0, 64), random.integers(len(data) - 20000, len(data), 300)])
    for place in places:
        broken = bytearray(data)
        broken[place] ^= 0xFF
        try:
            read_metadata_buffers(bytes(broken), "file")
        except ModelFormatError:
            continue


def test_pt2_needs_no_network_code(pt2_file):
    code = (
        f"import edgeface, sys, numpy as np; m = edgeface.load({str(pt2_file)!r}); "
        "m.run(np.zeros((9, 9, 3), np.uint8)); "
        "print([n for n in sys.modules if n.startswith('edgeface.reference')])"
    )
    command = [sys.executable, "-W", "ignore", "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert result.stdout.strip() == "[]"
