"""`edgeface run` over many images: what it reports, where to, and what it does with bad ones."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import edgeface
from edgeface import tables
from edgeface.cli import main
from edgeface.cli.records import FORMATS
from edgeface.ready import ASSETS

ALONE = ["--refine", "none"]


@pytest.fixture
def folder(tmp_path):
    """A photo, one without faces, one that is none."""
    (tmp_path / "in/deep").mkdir(parents=True)
    with Image.open(edgeface.DEMO_PHOTO) as picture:
        picture.save(tmp_path / "in/five.jpg", quality=95)
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(tmp_path / "in/deep/nobody.png")
    (tmp_path / "in/bad.png").write_text("no image")
    return tmp_path / "in"


def run(*arguments):
    return main(["run", *map(str, arguments), *ALONE])


@pytest.fixture(scope="module")
def five():
    return edgeface.load("mfn").run(edgeface.DEMO_PHOTO)


def test_every_format_tells_the_same(folder, tmp_path, capsys):
    saved = {}
    for name in FORMATS:
        if name == "parquet":
            pytest.importorskip("pyarrow", reason="needs the extra: edgeface[tables]")
        target = tmp_path / f"faces.{name}"
        assert run(folder, "--recursive", "--save", target, "--format", name) == 1
        saved[name] = target
        printed = capsys.readouterr()
        assert printed.out == f"wrote {target}\n"
        assert "bad.png is no readable image" in printed.err
        assert "3 images in" in printed.err
        assert "5 faces, 1 failed" in printed.err
    whole = json.loads(saved["json"].read_text())
    assert [json.loads(line) for line in saved["jsonl"].read_text().splitlines()] == whole
    assert [len(image["faces"]) for image in whole] == [5, 0]
    assert saved["text"].read_text().startswith(f"{folder / 'five.jpg'}: 5 faces\n")
    rows = list(csv.DictReader(io.StringIO(saved["csv"].read_text())))
    assert [row["face"] for row in rows] == list("01234")
    assert {row["image"] for row in rows} == {str(folder / "five.jpg")}
    assert [float(r["score"]) for r in rows] == [f["score"] for f in whole[0]["faces"]]
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(saved["parquet"])
    assert table.column_names[:3] == ["image", "face", "score"]
    assert table["face"].to_pylist() == [0, 1, 2, 3, 4]
    assert len(table["landmarks_3d"][0]) == 204


def test_the_suffix_says_the_format(tmp_path, five, capsys):
    target = tmp_path / "FACES.CSV"
    assert run("demo", "--save", target) == 0
    assert capsys.readouterr() == (f"wrote {target}\n", "")
    assert target.read_text().splitlines()[0].split(",")[2:] == list(tables.NUMBERS)
    assert run("demo", "--save", tmp_path / "faces.xls") == 1
    assert "take one of .json, .jsonl, .csv, .parquet" in capsys.readouterr().err


def test_an_image_from_standard_input(five):
    command = [sys.executable, "-m", "edgeface", "run", "-", "--json", *ALONE]
    data = edgeface.DEMO_PHOTO.read_bytes()
    result = subprocess.run(command, input=data, capture_output=True, check=True)
    report = json.loads(result.stdout)
    assert (report["image"], len(report["faces"])) == ("-", 5)
    result = subprocess.run(command, input=b"text", capture_output=True)
    assert (result.returncode, result.stdout) == (1, b"")
    assert b"is no readable image" in result.stderr


def test_no_report_overwrites_an_image(folder, capsys):
    photo = folder / "five.jpg"
    before = photo.read_bytes()
    assert run(photo, "--save", photo, "--format", "json") == 1
    assert "is the input" in capsys.readouterr().err
    assert photo.read_bytes() == before


@pytest.mark.parametrize("option", ["--model", "--refine"])
def test_no_report_overwrites_a_network(option, folder, tmp_path, capsys):
    network = tmp_path / "network.onnx"
    shutil.copy(ASSETS / {"--model": "mfn.onnx", "--refine": "sfn.onnx"}[option], network)
    before = network.read_bytes()
    photo, asked = folder / "five.jpg", ["--save", str(network), "--format", "json"]
    assert main(["run", str(photo), option, str(network), *asked]) == 1
    assert "is the input" in capsys.readouterr().err
    assert network.read_bytes() == before


def test_no_report_is_written_over_an_overlay(folder, tmp_path, capsys):
    asked = ["--out", tmp_path, "--save", tmp_path / "five-faces.png", "--format", "json"]
    assert run(folder / "five.jpg", *asked) == 1
    assert "would be written twice" in capsys.readouterr().err
    assert not (tmp_path / "five-faces.png").exists()


def test_an_overlay_that_cannot_be_written_costs_neither_the_others_nor_the_report(
    folder, tmp_path, capsys
):
    (tmp_path / "out/five-faces.png").mkdir(parents=True)
    report = tmp_path / "faces.json"
    photos = [folder / "five.jpg", folder / "deep/nobody.png"]
    assert run(*photos, "--out", tmp_path / "out", "--save", report) == 1
    assert "five.jpg: cannot write" in capsys.readouterr().err
    assert [len(image["faces"]) for image in json.loads(report.read_text())] == [5, 0]
    assert (tmp_path / "out/nobody-faces.png").is_file()


def test_no_report_overwrites_what_standard_input_comes_from(folder):
    photo = folder / "five.jpg"
    before = photo.read_bytes()
    command = [sys.executable, "-m", "edgeface", "run", "-", "--save", str(photo)]
    with photo.open("rb") as file:
        command += ["--format", "json", *ALONE]
        result = subprocess.run(command, stdin=file, capture_output=True)
    assert result.returncode == 1
    assert b"is the input -" in result.stderr
    assert photo.read_bytes() == before


def test_parquet_of_no_image_can_be_read(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    (tmp_path / "bad.png").write_bytes(b"no image")
    assert run(tmp_path / "bad.png", "--save", tmp_path / "faces.parquet") == 1
    table = parquet.read_table(tmp_path / "faces.parquet")
    assert (table.column_names, len(table)) == (["image", "face"], 0)


def test_parquet_is_not_for_terminals(monkeypatch, capsys):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert run("demo", "--format", "parquet") == 1
    assert "name a file by --save" in capsys.readouterr().err


def test_parquet_in_a_file_needs_no_binary_output(monkeypatch, tmp_path, five):
    monkeypatch.setattr(sys, "stdout", io.StringIO())  # as notebooks have it
    assert run("demo", "--save", tmp_path / "faces.parquet") == 0


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--threshold", "nan", "score_threshold must lie in [0, 1], got nan"),
        ("--max-faces", "-1", "max_faces must be a whole number from 0 to 1000000, got -1"),
        (
            "--out",
            edgeface.DEMO_PHOTO,
            f"--out needs a folder, and {edgeface.DEMO_PHOTO} is a file",
        ),
    ],
)
def test_what_is_wrong_for_every_image_is_said_once(
    folder, tmp_path, capsys, option, value, message
):
    target = tmp_path / "faces.json"
    assert run("demo", folder, option, value, "--save", target) == 1
    assert capsys.readouterr() == ("", f"edgeface: {message}\n")
    assert not target.exists()


def test_an_interrupt_keeps_what_was_done(monkeypatch, tmp_path, capsys):
    target, find = tmp_path / "faces.json", edgeface.Model.run

    def interrupted(self, *arguments, **options):
        if target.with_suffix(".seen").exists():
            raise KeyboardInterrupt
        target.with_suffix(".seen").touch()
        return find(self, *arguments, **options)

    monkeypatch.setattr(edgeface.Model, "run", interrupted)
    assert run("demo", "demo", "demo", "--save", target) == 130
    assert [len(image["faces"]) for image in json.loads(target.read_text())] == [5]
    assert "1 images in" in capsys.readouterr().err


def test_a_bar_is_drawn_on_a_terminal_alone(monkeypatch, capsys):
    monkeypatch.setattr("edgeface.progress.REDRAW_S", 0.0)
    assert run("demo", "demo", "--json") == 0
    assert "\r" not in capsys.readouterr().err
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert run("demo", "demo", "--json") == 0
    drawn = capsys.readouterr().err
    assert "[##########          ] 1/2" in drawn
    assert "5 faces" in drawn


@pytest.mark.parametrize("kind", ["csv", "parquet", "json"])
def test_a_name_that_is_no_text_is_reported(tmp_path, kind):
    path = tmp_path / os.fsdecode(b"caf\xe9.png")
    try:
        shutil.copy(edgeface.DEMO_PHOTO, path)
    except OSError:
        pytest.skip("this system has no such names")
    assert run(path, "--save", tmp_path / f"faces.{kind}") == 0
    assert (tmp_path / f"faces.{kind}").stat().st_size > 1000
