"""Damaged files are refused; files without checksums still load."""

import json
import os
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest

import edgeface
from edgeface.backends import coreml, open_backend
from edgeface.backends.checksums import CHECKSUMS
from edgeface.backends.coreml_package import network_pieces as package_pieces
from edgeface.backends.onnx import network_pieces
from edgeface.backends.protobuf import fields, outside
from edgeface.cli import main
from edgeface.metadata import KEY
from edgeface.model import ASSETS, Model
from edgeface.ready import ReadyFile, write_ready
from edgeface.shipped import BUNDLED
from tests.edgeface.damage import damaged, image_for, outcomes, seen_by

onnx = pytest.importorskip("onnx", reason="needs the extra: edgeface[convert]")


@pytest.fixture(params=["onnx", "tflite", "pt2", "coreml"])
def file(request):
    return request.getfixturevalue(f"{request.param}_file")


@pytest.fixture
def edited(tmp_path):
    """The mfn that ships with some keys of its JSON changed or, where None, left out."""

    def make(**changes):
        model = onnx.load(ASSETS / "mfn.onnx")
        for entry in model.metadata_props:
            if entry.key == KEY:
                values = {**json.loads(entry.value), **changes}
                entry.value = json.dumps({k: v for k, v in values.items() if v is not None})
        path = tmp_path / "edited.onnx"
        onnx.save(model, path)
        return path

    return make


@pytest.mark.parametrize(
    "manifest",
    [
        "{}",
        '{"rootModelIdentifier": "a", "itemInfoEntries": {"a": {"path": "com.apple.CoreML/b"}}}',
        '{"rootModelIdentifier": "a", "itemInfoEntries": {"a": {"path": "../../../other"}}}',
        "[",
    ],
)
def test_a_package_is_refused_whose_manifest_names_another_model(tmp_path, manifest):
    package = write_ready(ReadyFile("sfn", "coreml", "fp16"), tmp_path)
    assert len(package_pieces(package)) > 1
    (package / "Manifest.json").write_text(manifest)
    with pytest.raises(edgeface.ModelFormatError, match="no readable CoreML package"):
        package_pieces(package)


def test_coreml_is_given_no_damaged_package(monkeypatch, tmp_path):
    """Its entries are read, and its checksum is checked, before CoreML sees it."""
    package, opened = write_ready(ReadyFile("sfn", "coreml", "fp16"), tmp_path), []
    models = SimpleNamespace(MLModel=lambda path, **_: opened.append(path))
    expected = edgeface.load("sfn").face_model.sha256
    tools = SimpleNamespace(models=models, ComputeUnit={"ALL": 0})
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    monkeypatch.setattr(coreml, "_tools", lambda: tools)
    whole = coreml.CoremlBackend(package, 0)
    assert whole.face_model.sha256 == expected
    assert opened == [str(package)]
    weights = package / "Data/com.apple.CoreML/weights/weight.bin"
    content = bytearray(weights.read_bytes())
    content[5000] ^= 1
    weights.write_bytes(content)
    with pytest.raises(edgeface.ModelFormatError, match="is damaged"):
        coreml.CoremlBackend(package, 0)
    assert opened == [str(package)]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_a_package_with_a_pipe_is_not_waited_for(tmp_path):
    package = write_ready(ReadyFile("sfn", "coreml", "fp16"), tmp_path)
    os.mkfifo(package / "Data" / "pipe")
    with pytest.raises(edgeface.ModelFormatError, match="neither file nor folder"):
        package_pieces(package)


def test_damage_is_refused_or_harmless(file, tmp_path):
    found = outcomes(file, 60, 11, tmp_path)
    assert set(found) <= {"refused", "harmless"}, found
    assert found["refused"] > 45


def test_the_same_damage_shows_in_the_faces_of_a_file_without_checksums(onnx_file, tmp_path):
    model = onnx.load(onnx_file)
    for entry in model.metadata_props:
        if entry.key == KEY:
            values = json.loads(entry.value)
            del values[CHECKSUMS]
            entry.value = json.dumps(values)
    onnx.save(model, tmp_path / "before.onnx")
    assert outcomes(tmp_path / "before.onnx", 60, 11, tmp_path)["SILENT"] > 0


def test_every_converted_file_carries_checksums(file):
    from edgeface.converters.verify import open_written

    assert open_written(file).metadata.checksummed


@pytest.mark.parametrize("name", BUNDLED)
def test_the_networks_that_ship_carry_checksums(name, capsys):
    assert edgeface.load(name).metadata.checksummed
    assert main(["info", name]) == 0
    assert "intact" in capsys.readouterr().out


def test_one_flipped_bit_of_a_weight_is_damage(tmp_path):
    data = bytearray((ASSETS / "mfn.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    path = tmp_path / "flipped.onnx"
    path.write_bytes(data)
    with pytest.raises(edgeface.ModelFormatError, match="does not match its checksum"):
        edgeface.load(path)
    assert main(["verify", "mfn", str(path)]) == 1


def test_files_of_before_still_load(edited, capsys):
    path = edited(**{CHECKSUMS: None})
    assert not edgeface.load(path).metadata.checksummed
    assert main(["info", str(path)]) == 0
    assert "none: a file of an earlier release" in capsys.readouterr().out
    assert len(edgeface.load(path).run(edgeface.DEMO_PHOTO)) == 5


@pytest.mark.parametrize(
    "change", [{"score_threshold": 0.3}, {"stride": 8}, {"unseen_expressions": []}], ids=str
)
def test_what_decides_the_faces_is_under_a_checksum(change, edited):
    with pytest.raises(edgeface.MetadataError):
        edgeface.load(edited(**change))


@pytest.mark.parametrize(
    "change", [{"name": "mine"}, {"licence": "other"}, {"training": {"epochs": 3}}, {"new": 1}],
    ids=str,
)  # fmt: skip
def test_other_entries_may_be_edited(change, edited):
    assert edgeface.load(edited(**change)).metadata.checksummed


@pytest.mark.parametrize("sums", [3, {}, {"network": "0" * 64}, {"network": 1, "metadata": 2}])
def test_checksums_of_another_shape_are_named(sums, edited):
    with pytest.raises(edgeface.MetadataError, match="checksums"):
        edgeface.load(edited(**{CHECKSUMS: sums}))


def test_the_networks_checksum_holds_whatever_the_metadata_says(edited):
    original = (ASSETS / "mfn.onnx").read_bytes()
    changed = edited(name="another").read_bytes()
    assert b"".join(network_pieces(original)) == b"".join(network_pieces(changed))


@pytest.mark.parametrize("key", ["location", b"\n\x88\x00location", b"\x8a\x00\x08location"])
def test_weights_in_other_files_are_never_read(key, tmp_path):
    model = onnx.load(ASSETS / "sfn.onnx")
    del model.metadata_props[:]
    kept = onnx.load(ASSETS / "sfn.onnx").metadata_props
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = onnx.TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="/etc/passwd")
    for entry in kept:  # an older file, without checksums
        values = json.loads(entry.value) if entry.key == KEY else None
        if values is not None:
            del values[CHECKSUMS]
        model.metadata_props.add(
            key=entry.key, value=entry.value if values is None else json.dumps(values)
        )
    content = model.SerializeToString()
    if isinstance(key, bytes):  # the same message with numbers written longer than they need be
        assert content.count(b"\n\x08location") == 1
        content = content.replace(b"\n\x08location", key)
    path = tmp_path / "external.onnx"
    path.write_bytes(content)
    with pytest.raises(edgeface.ModelFormatError):
        edgeface.load(path)


@pytest.mark.parametrize("part", ["weights/weight.bin", "model.mlmodel"])
def test_links_in_a_package_are_not_followed(part, coreml_file, tmp_path):
    import shutil

    from edgeface.converters.verify import open_written

    package = tmp_path / "linked.mlpackage"
    shutil.copytree(coreml_file, package)
    inside = package / "Data" / "com.apple.CoreML" / part
    inside.rename(tmp_path / "outside")
    inside.symlink_to(tmp_path / "outside")
    with pytest.raises(edgeface.ModelFormatError, match="link"):
        open_written(package)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_outputs_that_are_not_finite_are_an_error(value, monkeypatch):
    backend = open_backend(ASSETS / "mfn.onnx", 1)
    model, infer = Model(backend), backend.infer

    def broken(images):
        heads = infer(images)
        heads["pose"] = heads["pose"].copy()
        heads["pose"].flat[7] = value
        return heads

    monkeypatch.setattr(backend, "infer", broken)
    for run in (model.run, lambda photo: model.run_batch([photo])):
        with pytest.raises(edgeface.InferenceError, match="not finite as its output 'pose'"):
            run(edgeface.DEMO_PHOTO)
    assert isinstance(model, Model)


def test_weights_that_are_not_finite_are_an_error(pt2_file, tmp_path):
    """Of a file without checksums, whose damage only shows when it runs."""
    path = tmp_path / "nan.pt2"
    with zipfile.ZipFile(pt2_file) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name.endswith(f"extra/{KEY}"):
                values = json.loads(content)
                del values[CHECKSUMS]
                content = json.dumps(values).encode()
            if name.endswith("weight_0"):
                content = np.full(len(content) // 4, np.nan, np.float32).tobytes()
            target.writestr(name, content)
    with pytest.raises(edgeface.InferenceError, match="not finite"):
        edgeface.load(path).infer(image_for(pt2_file))


def test_protobuf_pieces_leave_out_a_path():
    inner = b"\x08\x01" + b"\xa2\x06\x03abc"  # field 1: 1; field 100: "abc"
    message = b"\x08\x05" + b"\x12" + bytes([len(inner)]) + inner + b"\x18\x07"
    pieces = b"".join(outside(memoryview(message), (2, 100)))
    assert pieces == b"\x08\x05" + b"\x08\x01" + b"\x18\x07"


@pytest.mark.parametrize("message", [b"\x0b", b"\x0a\x05abc", b"\xff" * 11, b"\x09abc", b"\x0d"])
def test_broken_protobuf_is_an_error(message):
    with pytest.raises(ValueError, match=r"field|number"):
        list(fields(memoryview(message)))


def test_damage_is_what_it_says(random):
    data = bytes(range(256))
    assert len(damaged(data, "cut", random)) < 256
    flipped = np.bitwise_xor(
        np.frombuffer(data, np.uint8), np.frombuffer(damaged(data, "bit", random), np.uint8)
    )
    assert sorted(np.bitwise_count(flipped))[-2:] == [0, 1]


def test_the_same_file_is_seen_the_same_twice(onnx_file):
    image = image_for(onnx_file)
    assert seen_by(onnx_file, image) == seen_by(onnx_file, image)
