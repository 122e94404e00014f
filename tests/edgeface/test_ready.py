import json
import sys
import zipfile

import numpy as np
import pytest

import edgeface
from edgeface import ready, shipped
from edgeface.backends import can_run
from edgeface.cli import main
from edgeface.errors import InvalidInputError, ModelFormatError
from edgeface.ready import (
    SUFFIXES,
    ReadyFile,
    cached_ready,
    find_ready,
    read_ready,
    ready_files,
    write_ready,
)

FILES = ready_files()
DETECTORS = [f for f in FILES if f.network == "mfn" and can_run(SUFFIXES[f.format])]


def named(file):
    return file.name


def test_networks_ship_in_the_formats_of_phones_and_browsers():
    for network in ("mfn", "sfn"):
        for file_format in ("onnx", "tflite"):
            for precision in ("fp32", "int8"):
                assert ReadyFile(network, file_format, precision) in FILES
        assert find_ready(network, "coreml").precision == "fp16"


@pytest.mark.parametrize("file", FILES, ids=named)
def test_every_ready_file_is_the_one_that_was_verified(file):
    """`read_ready` compares hashes; what comes out is a whole file."""
    contents = read_ready(file)
    assert all(contents.values())
    assert {path.split("/")[0] for path in contents} == {file.name}


@pytest.mark.parametrize("file", DETECTORS, ids=named)
def test_ready_files_find_the_same_faces(file, tmp_path):
    # a face whose score is near the default threshold may lie on either side of it
    options = {"detail": "fast", "score_threshold": 0.5}
    written = edgeface.load(ready.write_ready(file, tmp_path))
    found = written.run(edgeface.DEMO_PHOTO, **options)
    expected = edgeface.load("mfn").run(edgeface.DEMO_PHOTO, **options)
    assert len(found) == len(expected)
    # scores that lie close may change places; where faces are, may not
    boxes, others = (f.boxes_xyxy[np.argsort(f.boxes_xyxy[:, 0])] for f in (expected, found))
    sides = boxes[:, 2:] - boxes[:, :2]
    apart = np.abs(others - boxes).max()
    assert apart < (0.2 if file.precision == "int8" else 0.02) * sides.max()


def test_load_takes_the_engine_that_is_there(monkeypatch, tmp_path):
    pytest.importorskip("ai_edge_litert")
    monkeypatch.setattr(shipped, "can_run", lambda suffix: suffix == ".tflite")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    faces = edgeface.load("mfn").run(edgeface.DEMO_PHOTO)
    kept = list(tmp_path.rglob("mfn.tflite"))
    assert len(faces) == 5
    assert len(kept) == 1
    kept[0].write_bytes(b"damaged")
    assert len(edgeface.load("mfn").run(edgeface.DEMO_PHOTO)) == 5


def test_a_cached_file_of_onnx_is_the_one_in_the_package():
    assert cached_ready(ReadyFile("mfn", "onnx", "fp32")).parent == ready.ASSETS


def test_what_is_not_there_is_named_with_what_is():
    with pytest.raises(InvalidInputError, match=r"'mfn' does not ship as pt2, .*tflite int8"):
        find_ready("mfn", "pt2")
    with pytest.raises(InvalidInputError, match=r"no network 'mnf' ships .* mfn, mfn-free, "):
        find_ready("mnf", "onnx")


@pytest.mark.parametrize("network", sorted({file.network for file in FILES}))
def test_every_network_that_ships_can_be_exported_without_a_precision(network):
    assert find_ready(network, "onnx") == ready.original_file(network)


def place_in(file):
    """Where a byte of the ready ``sfn.tflite`` comes from."""
    with zipfile.ZipFile(ready.ASSETS / "sfn.ready.zip") as archive:
        if file == "sfn.ready.zip":
            return archive.getinfo("sfn.tflite").header_offset + 200
        _, offset, *_ = json.loads(archive.read(ready.INDEX))["sfn.tflite"]["sfn.tflite"]["pieces"][
            -1
        ]
        return offset + 8


@pytest.mark.parametrize("name", ["sfn.onnx", "sfn.ready.zip"])
def test_a_damaged_package_is_an_error(name, tmp_path, monkeypatch):
    for file in ("sfn.onnx", "sfn.ready.zip"):
        content = bytearray((ready.ASSETS / file).read_bytes())
        if file == name:
            content[place_in(file)] ^= 0x10
        (tmp_path / file).write_bytes(content)
    monkeypatch.setattr(ready, "ASSETS", tmp_path)
    with pytest.raises(ModelFormatError, match=r"damaged.*install edgeface again"):
        read_ready(ReadyFile("sfn", "tflite", "fp32"))


def test_export_writes_a_file_without_torch(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    arguments = ["export", "mfn", "--to", "tflite", "--precision", "int8", "--out", str(tmp_path)]
    assert main(arguments) == 0
    assert "mfn-int8.tflite" in capsys.readouterr().out
    assert (tmp_path / "mfn-int8.tflite").stat().st_size > 1e6
    assert main(["export", "mfn", "--to", "coreml", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "mfn-fp16.mlpackage" / "Manifest.json").is_file()


@pytest.mark.parametrize("home", ["none", "read-only"])
def test_without_a_cache_a_temporary_folder_serves(monkeypatch, tmp_path, home):
    if home == "none":

        def nowhere():
            raise RuntimeError("Could not determine home directory.")

        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        monkeypatch.setattr(ready.Path, "home", nowhere)
    else:
        monkeypatch.setenv("XDG_CACHE_HOME", str(ready.ASSETS / "mfn.onnx"))  # no folder
    file = find_ready("sfn", "tflite")
    path = cached_ready(file)
    assert path.read_bytes() == read_ready(file)[file.name]
    assert cached_ready(file) == path


def test_a_relative_cache_folder_is_passed_over(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    path = cached_ready(find_ready("sfn", "tflite"))
    assert path.is_relative_to(tmp_path / "home/.cache")


def test_without_any_folder_the_remedy_is_named(monkeypatch):
    def full(**_):
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setenv("XDG_CACHE_HOME", str(ready.ASSETS / "mfn.onnx"))
    monkeypatch.setattr(ready.tempfile, "TemporaryDirectory", full)
    ready._temporary_root.cache_clear()
    with pytest.raises(InvalidInputError, match="set XDG_CACHE_HOME"):
        cached_ready(find_ready("sfn", "tflite"))


def test_a_package_takes_the_place_of_an_older_one_as_a_whole(tmp_path):
    file = ReadyFile("sfn", "coreml", "fp16")
    package = write_ready(file, tmp_path / "new")
    (package / "Data" / "stale").write_text("of another release")
    (package / "link").symlink_to("/")
    write_ready(file, tmp_path / "new")
    found = {p.relative_to(tmp_path / "new").as_posix(): p for p in package.rglob("*")}
    expected = read_ready(file)
    assert {n: p.read_bytes() for n, p in found.items() if p.is_file()} == expected
    assert not any(p.is_symlink() for p in found.values())
    assert [p.name for p in (tmp_path / "new").iterdir()] == [file.name]


def test_a_link_to_a_package_is_replaced_and_not_followed(tmp_path):
    file = ReadyFile("sfn", "coreml", "fp16")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / file.name).symlink_to(tmp_path / "elsewhere")
    write_ready(file, tmp_path)
    assert (tmp_path / file.name / "Manifest.json").is_file()
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("folder", ["http://example.com/x", "a\0b"])
def test_what_is_no_folder_is_refused_before_any_is_made(tmp_path, monkeypatch, folder):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidInputError, match="must be a path"):
        write_ready(ReadyFile("mfn", "onnx", "fp32"), folder)
    assert list(tmp_path.iterdir()) == []
