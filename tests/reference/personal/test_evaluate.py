"""Evaluations of personal models: figures that are kept, and what they measure."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

pytest.importorskip("torch", reason="needs the extra: edgeface[train]")

from edgeface.errors import InvalidInputError
from edgeface.reference.cli import main
from edgeface.reference.personal import evaluate
from edgeface.reference.personal.kept import Kept
from edgeface.reference.personal.schedule import Weights


def test_figures_are_found_again(tmp_path):
    path = tmp_path / "figures.jsonl"
    Kept(path).put("a", {"neutral": 1.25})
    Kept(path).put("b", {"neutral": 2.0})
    again = Kept(path)
    assert again.get("a") == {"neutral": 1.25}
    assert again.get("b") == {"neutral": 2.0}
    assert again.get("c") is None


def test_nothing_is_kept_without_a_file():
    kept = Kept(None)
    kept.put("a", {"neutral": 1.0})
    assert kept.get("a") == {"neutral": 1.0}


@pytest.mark.parametrize("content", ["no json\n", '{"key": "a"}\n', "[1]\n"])
def test_a_foreign_file_of_figures_is_an_error(tmp_path, content):
    path = tmp_path / "figures.jsonl"
    path.write_text(content)
    with pytest.raises(InvalidInputError, match="holds no figures"):
        Kept(path)


def test_a_folder_that_is_not_there_or_not_open_is_an_error(tmp_path, monkeypatch):
    with pytest.raises(InvalidInputError, match="no folder"):
        Kept(tmp_path / "absent" / "figures.jsonl")
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(InvalidInputError, match="nothing may be written to"):
        Kept(tmp_path / "figures.jsonl")


def test_a_picture_that_cannot_be_read_is_named():
    pack = SimpleNamespace(name="faces68-video", image=lambda _: None)
    with pytest.raises(InvalidInputError, match="faces68-video is damaged at image 3"):
        evaluate._seen(evaluate.default_template(), pack, 3, None)


def test_other_settings_have_figures_of_their_own():
    template = evaluate.default_template()
    usual, other = evaluate.Variant(), evaluate.Variant(weights=Weights(parsing=0.0))
    assert usual.digest(template) == evaluate.Variant().digest(template)
    assert usual.digest(template) != other.digest(template)


def test_people_that_are_kept_are_not_fitted_again(tmp_path, capsys, monkeypatch):
    figures = dict.fromkeys(
        ("neutral_before", "neutral", "posed", "blendshapes_before", "blendshapes"), 1.5
    )
    digest = evaluate.Variant().digest(evaluate.default_template())
    lines = [json.dumps({"key": f"truth/{digest}/{seed}", "figures": figures}) for seed in (0, 1)]
    (tmp_path / "kept").write_text("\n".join(lines) + "\n")

    def fails(*arguments):
        raise AssertionError("a person is fitted again")

    monkeypatch.setattr(evaluate, "_known_truth", fails)
    command = ["personal", "truth", "--people", "2", "--keep", str(tmp_path / "kept")]
    assert main(command) == 0
    assert capsys.readouterr().out.splitlines()[-1].split() == ["mean", *["1.50"] * 5]


@pytest.mark.parametrize("action", ["held-out", "truth"])
@pytest.mark.parametrize("people", ["0", "-1"])
def test_fewer_people_than_one_are_an_error(action, people, capsys):
    assert main(["personal", action, "--people", people]) != 0
    assert "people must be a whole number from 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("in_halves", "fitted", "held_out"), [(False, [0, 2, 4], [1, 3]), (True, [0, 1], [2, 3, 4])]
)
def test_every_frame_is_either_fitted_or_held_out(in_halves, fitted, held_out):
    frames = list(range(5))
    known, unknown = evaluate.divided(len(frames), in_halves)
    assert frames[known] == fitted
    assert frames[unknown] == held_out
