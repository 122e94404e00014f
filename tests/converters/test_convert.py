"""`convert` from checkpoint to files: what it writes, and what it refuses."""

import errno
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import edgeface
from edgeface import (
    BackendUnavailableError,
    ConversionError,
    InvalidInputError,
    ModelFormatError,
    ParityError,
)
from edgeface.cli import main
from edgeface.compare import compare
from edgeface.converters import convert, network_metadata, ship
from edgeface.converters.formats import find_format
from edgeface.converters.metadata import file_stem
from edgeface.converters.pipeline import carried_face_model, planned
from edgeface.ready import ReadyFile
from edgeface.reference.networks.checkpoint import SHIPPED, load_network, save_network
from tests.export import exporter, untrained

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


@pytest.fixture(scope="module")
def checkpoint(sfn, tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "last.ckpt"
    save_network(sfn, path)
    return path


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Six real views, parts of the photo that ships, and a file that is no image."""
    folder = tmp_path_factory.mktemp("photos")
    with Image.open(edgeface.DEMO_PHOTO) as photo:
        for i in range(6):
            photo.crop((i * 100, 0, i * 100 + 400, 400)).save(folder / f"{i}.png")
    (folder / "notes.txt").write_text("not an image")
    return folder


def test_convert_writes_verified_files(checkpoint, tmp_path):
    steps = []
    written = convert(
        checkpoint, tmp_path, ["onnx", "pt2"], ["fp32", "fp16"], progress=steps.append
    )
    names = ["sfn.onnx", "sfn-fp16.onnx", "sfn.pt2"]
    assert [w.path.name for w in written] == names
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(names)
    assert steps[:2] == ["reading the checkpoint and the photos", "[1/3] onnx fp32: exporting"]
    for entry in written:
        model = edgeface.load(entry.path)
        assert model.metadata == entry.metadata
        assert model.metadata.precision == entry.precision
        assert model.metadata.training == {"epochs": 7, "recipe": {}}
        assert model.metadata.parity["images"] == 1
        assert entry.num_bytes == entry.path.stat().st_size
        assert entry.latency_ms > 0
        assert sum(entry.metadata.graph["layer_bytes"].values()) > 1000
    assert written[0].comparison.values["pose max"] <= 1e-4
    assert "BatchNormalization" not in written[0].metadata.graph["operators"]


@pytest.mark.parametrize("size", [0, -32, 33, 32 * 10**4, "x", 96.5, True])
def test_convert_refuses_sizes_before_it_reads_anything(size, tmp_path):
    with pytest.raises(InvalidInputError, match="input_size must be a whole number"):
        convert(tmp_path / "absent.ckpt", tmp_path, ["pt2"], input_size=size)


def test_what_is_named_twice_is_written_once():
    assert [(f.name, p) for f, p in planned(["pt2"] * 2, ["fp32"] * 2)] == [("pt2", "fp32")]


@pytest.mark.parametrize("given", [("onnx", ["fp32"]), (["onnx"], "fp32")])
def test_one_name_in_place_of_a_list_is_told(given):
    with pytest.raises(InvalidInputError, match=r"s must be a list of names, such as \['"):
        planned(*given)


@pytest.mark.parametrize("name", SHIPPED)
def test_files_of_a_network_that_ships_have_its_name(name):
    config = load_network(name).config
    plan = [("onnx", ship.SHIPPED[name][0]), *ship.SHIPPED[name][1]]
    for file_format, precision in plan:
        suffix = find_format(file_format).suffix
        expected = ReadyFile(name, file_format, precision).name
        assert file_stem(name, config, None, precision) + suffix == expected


def test_convert_takes_another_size_of_an_mfn(checkpoint, face_model, tmp_path):
    save_network(untrained("mfn", face_model), tmp_path / "mfn.ckpt")
    [written] = convert(tmp_path / "mfn.ckpt", tmp_path, input_size=96)
    assert written.path.name == "mfn-96.onnx"
    assert edgeface.load(written.path).metadata.input_size == 96
    with pytest.raises(InvalidInputError, match="a multiple of 32"):
        convert(tmp_path / "mfn.ckpt", tmp_path, input_size=100)
    with pytest.raises(InvalidInputError, match="only an mfn's input"):
        convert(checkpoint, tmp_path, input_size=96)


def test_convert_leaves_the_dense_mesh_out_on_demand(checkpoint, tmp_path):
    """What the file says of faces stays, to the digit."""
    formats = ["onnx", "pt2"]
    whole = convert(checkpoint, tmp_path / "whole", formats, dense=True)
    basis = convert(checkpoint, tmp_path / "basis", formats, dense=False)
    for a, b in zip(whole, basis, strict=True):
        assert (a.metadata.dense_mesh, b.metadata.dense_mesh) == (True, False)
        assert a.num_bytes - b.num_bytes > 100_000
        models = [edgeface.load(written.path) for written in (a, b)]
        ours, theirs = (model.run(edgeface.DEMO_PHOTO) for model in models)
        np.testing.assert_array_equal(ours.landmarks_3d, theirs.landmarks_3d)
        assert ours.vertices().shape == (1, 468, 3)
        with pytest.raises(InvalidInputError, match="without the dense mesh"):
            theirs[0].to_obj()
        assert compare(*models, [("demo", edgeface.read_image(edgeface.DEMO_PHOTO))], "fp32")


def test_small_dense_meshes_are_carried_by_default(face_model, random):
    assert carried_face_model(face_model, None) is face_model
    assert not carried_face_model(face_model, False).is_dense
    large = replace(
        face_model,
        identity=random.normal(size=(50, 4000, 3)).astype(np.float32),
        expression=random.normal(size=(46, 4000, 3)).astype(np.float32),
        uv=np.zeros((0, 2), np.float32),
    )
    assert not carried_face_model(large, None).is_dense
    assert carried_face_model(large, True) is large


def test_convert_command_prints_steps_and_table(checkpoint, photos, tmp_path, capsys):
    command = ["convert", str(checkpoint), "--to", "onnx,pt2", "--precision", "int8,fp16",
               "--out", str(tmp_path), "--calibration", str(photos)]  # fmt: skip
    assert main(command) == 0
    captured = capsys.readouterr()
    assert "[2/2] onnx fp16: verifying" in captured.err
    assert "sfn-int8.onnx" in captured.out
    assert "pt2 int8, pt2 fp16" in captured.out
    assert edgeface.load(tmp_path / "sfn-int8.onnx").metadata.parity["images"] == 2
    assert main(["info", "--layers", str(tmp_path / "sfn-int8.onnx")]) == 0
    printed = capsys.readouterr().out
    assert "QuantizeLinear" in printed
    assert "backbone.stem" in printed


@pytest.mark.parametrize(
    ("formats", "precisions", "photo_place", "message"),
    [
        (["tfjs"], ["fp32"], None, "no format 'tfjs'; known are onnx, tflite"),
        (["onnx"], ["int4"], None, "no precision 'int4'; known are fp32"),
        (["pt2"], ["int8"], None, "nothing to write"),
        (["onnx"], ["int8"], None, "onnx int8 needs real photos"),
        (["onnx"], ["int8"], "out/absent", "no such folder of images"),
        (["onnx"], ["int8"], "out", "has no images"),
        (["onnx"], ["int8"], "photos/notes.txt", "no readable image"),
    ],
)
def test_convert_names_what_is_unknown(
    checkpoint, photos, tmp_path, formats, precisions, photo_place, message
):
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "photos").symlink_to(photos)
    calibration = None if photo_place is None else tmp_path / photo_place
    with pytest.raises(InvalidInputError, match=message):
        convert(checkpoint, out, formats, precisions, calibration)
    assert list(out.iterdir()) == []


def test_convert_rejects_other_checkpoints(checkpoint, tmp_path):
    other, cut = tmp_path / "other.ckpt", tmp_path / "cut.ckpt"
    torch.save({"state_dict": {}, "epoch": 3}, other)
    cut.write_bytes(checkpoint.read_bytes()[:5000])
    for path in (other, cut):
        with pytest.raises(ModelFormatError, match="no edgeface checkpoint"):
            convert(path, tmp_path / "out")
    with pytest.raises(InvalidInputError, match="no such checkpoint"):
        convert(tmp_path / "absent.ckpt", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_convert_names_a_missing_library(checkpoint, tmp_path, monkeypatch):
    def absent(name):
        raise ImportError("gone", name="litert_torch")

    monkeypatch.setattr("edgeface.converters.formats.importlib.import_module", absent)
    with pytest.raises(BackendUnavailableError, match=r"litert_torch: pip install 'edgeface\[conv"):
        convert(checkpoint, tmp_path, ["tflite"])


def test_convert_leaves_nothing_where_it_cannot_write(checkpoint, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInputError, match="needs a folder"):
        convert(checkpoint, tmp_path / "file", ["pt2"])

    def full(model, metadata, face_model, path):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(exporter("pt2"), "save", full)
    with pytest.raises(ConversionError, match="No space left"):
        convert(checkpoint, tmp_path / "out", ["pt2"])
    assert list((tmp_path / "out").iterdir()) == []


def test_convert_removes_what_is_over_the_limits(checkpoint, tmp_path, monkeypatch, face_model):
    target = exporter("pt2")
    real = target.export
    other = untrained("sfn", face_model)
    with torch.no_grad():
        other.network.heads[2][-1].bias[0] += 0.01
    monkeypatch.setattr(target, "export", lambda trained, metadata: real(other, metadata))
    with pytest.raises(ParityError, match=r"pose max is 0\.01 \(allowed 0\.0001\), worst on the"):
        convert(checkpoint, tmp_path, ["pt2"])
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ParityError):
        convert(checkpoint, tmp_path, ["pt2"], keep=True)
    assert [p.name for p in tmp_path.iterdir()] == ["sfn.pt2"]


def test_convert_wraps_an_exporters_errors(sfn, tmp_path):
    class Unexportable(torch.nn.Module):
        def forward(self, x):
            return tuple(torch.tensor(len(str(float(x.sum())))) for _ in range(3))

    trained = type(sfn)(sfn.config, Unexportable(), sfn.face_model, 0, {})
    target = exporter("onnx")
    with pytest.raises(ConversionError, match="the ONNX exporter failed"):
        target.export(trained, network_metadata(trained))


def test_report_entries_are_json_numbers(checkpoint, tmp_path):
    (entry,) = convert(checkpoint, tmp_path, ["pt2"])
    values = json.loads(entry.metadata.to_json())["parity"]
    assert all(isinstance(v, (int, float)) and math.isfinite(v) for v in values.values())
    assert np.isfinite(entry.latency_ms)
