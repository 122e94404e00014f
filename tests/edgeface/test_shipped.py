"""Networks that ship, by name and precision, and the choice of the fastest file."""

from pathlib import Path

import pytest

from edgeface import InvalidInputError, load
from edgeface.bench.choose import choose
from edgeface.cli import main
from edgeface.face_model import SHIPPED, FaceModel
from edgeface.shipped import BUNDLED, network_path, partner


def test_load_opens_the_precision_that_is_asked_for():
    assert load("sfn").metadata.precision == "fp32"
    assert load("sfn", precision="int8").metadata.precision == "int8"
    assert load("fusion").metadata.precision == "w8"
    assert load("tracknet").metadata.precision == "int8"


@pytest.mark.parametrize("name", BUNDLED)
def test_without_any_engine_the_file_is_of_the_one_to_install(name, monkeypatch):
    monkeypatch.setattr("edgeface.shipped.can_run", lambda suffix: False)
    assert network_path("path_or_name", name).suffix == ".onnx"


@pytest.mark.parametrize(
    ("precision", "file"), [(None, "sfn-fp16.mlpackage"), ("fp32", "sfn.onnx")]
)
def test_load_gives_no_other_precision_than_is_asked_for(precision, file, monkeypatch, tmp_path):
    monkeypatch.setattr("edgeface.shipped.can_run", lambda suffix: suffix == ".mlpackage")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert network_path("path_or_name", "sfn", precision).name == file


@pytest.mark.parametrize(
    ("network", "precision", "message"),
    [
        ("mfn", "int4", "precision must be one of fp32, int8"),
        ("fusion", "int8", "'fusion' does not ship as onnx int8, but as onnx w8"),
        ("fusion", "fp32", "'fusion' does not ship as onnx fp32, but as onnx w8"),
        ("some.onnx", "int8", "keeps the precision it was written in"),
    ],
)
def test_load_refuses_precisions_that_are_not_there(network, precision, message):
    with pytest.raises(InvalidInputError, match=message):
        load(network, precision=precision)


def test_choose_puts_the_fastest_file_first():
    found = choose("sfn", [1], rounds=1)
    assert {"sfn.onnx", "sfn-int8.onnx"} <= {one.file.name for one in found}
    medians = [one.quartiles_ms[1] for one in found]
    assert medians == sorted(medians)


def test_bench_choose_says_how_to_get_the_fastest(capsys, monkeypatch):
    monkeypatch.setattr("edgeface.bench.choose.ROUNDS", 1)
    assert main(["bench", "choose", "fusion"]) == 0
    assert 'the fastest: edgeface.load("fusion")' in capsys.readouterr().out


def test_a_name_may_be_a_path():
    assert network_path("model", Path("mfn")) == network_path("model", "mfn")


@pytest.mark.parametrize(
    ("network", "beside", "expected"),
    [
        ("sfn", "mfn", "sfn"),
        ("sfn", "mfn-free", "sfn-free"),
        ("mfn", "sfn-free", "mfn-free"),
        ("mfn", "fusion", "mfn"),
    ],
)
def test_free_networks_work_with_free_ones(face_model, network, beside, expected):
    assert partner(network, beside, face_model) == expected


@pytest.mark.parametrize("family", ["", "-free"])
def test_files_work_with_networks_of_their_face_model(family):
    face_model = FaceModel.load(SHIPPED[family == "-free"])
    assert partner("mfn", "some/sfn.onnx", face_model) == f"mfn{family}"
