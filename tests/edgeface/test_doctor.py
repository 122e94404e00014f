import importlib
import re
import tomllib
from pathlib import Path

import pytest

import edgeface
from edgeface.cli import doctor, main
from edgeface.errors import BackendUnavailableError, EdgeFaceError, ModelFormatError
from edgeface.terminal import page_address, run_command


@pytest.fixture
def quick(monkeypatch):
    """Without the measurement, which the first test makes."""
    monkeypatch.setattr(doctor, "_report_speed", lambda advice: None)


def test_doctor_tells_engines_extras_and_times(capsys):
    assert main(["doctor"]) == 0
    report = capsys.readouterr().out
    for expected in ("ONNX Runtime", "LiteRT", "extras", "convert-tflite", "processors: "):
        assert expected in report
    assert re.search(r"mfn \d+\.\d ms, with everything around it \d+\.\d ms", report)


def test_doctor_knows_what_every_extra_brings():
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    extras = tomllib.loads(text)["project"]["optional-dependencies"]
    called = {"python-osc": "pythonosc", "scikit-learn": "sklearn"}
    for extra, modules in doctor.EXTRAS.items():
        brought = {re.match("[a-z0-9-]+", requirement)[0] for requirement in extras[extra]}
        brought -= {"typing-extensions"}  # a bound on what others bring
        assert {called.get(name, name.replace("-", "_")) for name in brought} == set(modules)


def test_doctor_says_what_a_container_may_use(monkeypatch, capsys, quick):
    monkeypatch.setattr(doctor, "usable_processors", lambda: 1.5)
    assert main(["doctor"]) == 0
    assert "of which this process may use 1.5\n" in capsys.readouterr().out


def test_doctor_fails_without_an_engine(monkeypatch, capsys, quick):
    monkeypatch.setattr(doctor, "backends", lambda: ())
    assert main(["doctor"]) == 1
    assert "pip install 'edgeface[onnx]'" in capsys.readouterr().out


def test_a_library_that_cannot_be_imported_is_told_from_one_that_is_absent(monkeypatch, capsys):
    found = importlib.import_module

    def broken(name, *package):
        if name == "onnxruntime":
            raise ImportError("libonnxruntime.so.1: cannot open shared object file")
        return found(name, *package)

    monkeypatch.setattr(importlib, "import_module", broken)
    with pytest.raises(BackendUnavailableError, match=r"\[onnx\]'\. It is installed, but .*so\.1"):
        edgeface.load("sfn")
    assert main(["doctor"]) == 1
    advice = capsys.readouterr().out.partition("\nadvice\n")[2]
    assert "- running .onnx files needs ONNX Runtime" in advice


def test_doctor_finds_a_damaged_package(monkeypatch, capsys, quick):
    def damaged(file):
        raise ModelFormatError("sfn.ready.zip is damaged")

    monkeypatch.setattr(doctor, "read_ready", damaged)
    assert main(["doctor"]) == 1
    assert "- sfn.ready.zip is damaged" in capsys.readouterr().out


@pytest.mark.parametrize("error", [BackendUnavailableError, EdgeFaceError])
def test_errors_at_a_terminal_name_the_page_that_helps(error, monkeypatch, capsys):
    def fail():
        raise error("no such thing")

    assert run_command("edgeface", fail) == 1
    assert capsys.readouterr().err == "edgeface: no such thing\n"
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert run_command("edgeface", fail) == 1
    assert capsys.readouterr().err.endswith(f"/{error.page.replace('.html', '.md')}\n")


@pytest.mark.parametrize(
    ("site", "expected"),
    [
        ("https://edgeface.example/docs", "docs/index.md#b"),
        ("https://faces.org/docs", "https://faces.org/docs/index.html#b"),
    ],
)
def test_pages_are_named_on_the_site_once_there_is_one(site, expected, monkeypatch):
    class Stated:
        def get_all(self, name):
            return [f"Homepage, {site}", f"Documentation, {site}"]

    monkeypatch.setattr("importlib.metadata.metadata", lambda name: Stated())
    assert page_address("index.html#b") == expected
