"""``edgeface personalise``: what it refuses, and what it makes of a model that is there."""

import sys
from pathlib import Path

import numpy as np
import pytest

import edgeface
from edgeface.cli import main
from edgeface.errors import BackendUnavailableError, InvalidInputError
from edgeface.personal.model import PersonalModel


def test_of_a_model_its_page_and_head_are_made(somebodys_file, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("edgeface.personal.page.SHAPE_PX", 16)
    targets = tmp_path / "me.glb", tmp_path / "me.html"
    command = ["personalise", str(somebodys_file), "--glb", str(targets[0]), "--page"]
    assert main([*command, str(targets[1])]) == 0
    assert capsys.readouterr().out.count("wrote ") == 2
    assert targets[0].read_bytes().startswith(b"glTF")
    assert targets[1].read_text().startswith("<!doctype html>")


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="needs /dev/stdout")
def test_a_head_goes_to_standard_output(somebodys_file, tmp_path, capfdbinary, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["personalise", str(somebodys_file), "--glb", "-"]) == 0
    head, told = capfdbinary.readouterr()
    assert (head[:4], len(head)) == (b"glTF", int.from_bytes(head[8:12], "little"))
    assert told.startswith(b"wrote ")
    assert not Path("-").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing.mp4"], "name what to write"),
        (["nothing.mp4", "--out", "absent/me.efp"], "there is no folder"),
        (["nothing.mp4", "--out", "me.efp"], "no such video"),
        (["nothing.mp4", "--out", "."], "it is a folder"),
        (
            ["http://127.0.0.1:1/me.mp4?key=1", "--out", "me.efp"],
            "cannot open http://127.0.0.1:1/me.mp4?***",
        ),
        (["a.jpg", "b.jpg", "--out", "me.efp"], "a.jpg"),
        (["nothing.mp4", "--out", "me.efp", "--frames", "3"], "from 5 to"),
        (["me.efp", "--out", "other.efp"], "give it alone"),
        (["absent.efp", "--glb", "me.glb"], "cannot read"),
        (["me.mp4", "--out", "x", "--glb", "x"], "x"),
    ],
)
def test_what_cannot_be_done_is_told(arguments, said, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["personalise", *arguments]) == 1
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_foreign_file_is_told(tmp_path, capsys):
    (tmp_path / "me.efp").write_bytes(b"PK\3\4 something else")
    assert main(["personalise", str(tmp_path / "me.efp"), "--glb", str(tmp_path / "me.glb")]) == 1
    assert "is no personal model" in capsys.readouterr().err


@pytest.mark.parametrize(
    "one", [np.zeros((64, 64, 3), np.uint8), b"\xff\xd8\xff"], ids=["array", "bytes"]
)
def test_one_photo_is_not_taken_for_several(one):
    with pytest.raises(InvalidInputError, match="expected a clip or a list of photos"):
        edgeface.personalise(one)


def test_without_torch_the_extra_is_named(monkeypatch):
    for name in [n for n in sys.modules if n.startswith("edgeface.reference.personal")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(BackendUnavailableError, match=r"needs torch: pip install 'edgeface\[train"):
        edgeface.personalise("me.mp4")


def test_a_model_is_used_without_torch(somebodys_file, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert PersonalModel.load(somebodys_file).shape({"jawOpen": 1.0}).shape[1] == 3
