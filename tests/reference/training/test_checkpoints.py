"""Checkpoints reach the disk whole, and the one before stays."""

import subprocess
import sys
import zipfile
from dataclasses import replace

import pytest
import torch

from edgeface.errors import InvalidInputError, ModelFormatError

pytest.importorskip("lightning", reason="needs the extra: edgeface[train]")

from edgeface.reference.cli import main
from edgeface.reference.face_model.own import read_face_model
from edgeface.reference.networks.checkpoint import SHIPPED, load_network
from edgeface.reference.training import train as training
from edgeface.reference.training.checkpoints import (
    LAST,
    LOCK,
    PREVIOUS,
    WholeCheckpoints,
    claimed,
)
from edgeface.reference.training.recipe import Recipe


def content(epoch):
    return {"epoch": epoch, "weights": torch.full((4,), float(epoch))}


def test_the_previous_checkpoint_stays(tmp_path):
    for epoch in range(3):
        WholeCheckpoints().save_checkpoint(content(epoch), tmp_path / "run" / LAST)
    epochs = {p.name: torch.load(p)["epoch"] for p in (tmp_path / "run").iterdir()}
    assert epochs == {LAST: 2, PREVIOUS: 1}


def test_a_checkpoint_that_cannot_be_written_costs_none(tmp_path, monkeypatch):
    last = tmp_path / LAST
    WholeCheckpoints().save_checkpoint(content(0), last)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(InvalidInputError, match="No space left"):
        WholeCheckpoints().save_checkpoint(content(1), last)
    assert torch.load(last)["epoch"] == 0


def test_nothing_goes_through_the_folder_for_temporary_files(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "no such folder"))
    monkeypatch.setattr("tempfile.tempdir", None)
    WholeCheckpoints().save_checkpoint(content(0), tmp_path / LAST)
    assert torch.load(tmp_path / LAST)["epoch"] == 0


def test_a_folder_is_of_one_training_until_its_end_however_it_ends(tmp_path):
    hold = (
        "import filelock, sys, time; lock = filelock.FileLock(sys.argv[1]); lock.acquire(); "
        "print(flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", hold, str(tmp_path / LOCK)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        with pytest.raises(InvalidInputError, match="another training writes to"):
            training.train(Recipe("sfn", epochs=1, batch_size=2), tmp_path, tmp_path)
        other.kill()
    for _ in range(2):
        with claimed(tmp_path):
            assert (tmp_path / LOCK).exists()


def test_a_damaged_last_checkpoint_names_the_one_before(tmp_path):
    (tmp_path / LAST).write_bytes(SHIPPED["sfn"].read_bytes()[:100_000])
    with pytest.raises(ModelFormatError) as alone:
        training.load_last(tmp_path)
    assert PREVIOUS not in str(alone.value)
    (tmp_path / PREVIOUS).write_bytes(SHIPPED["sfn"].read_bytes())
    with pytest.raises(ModelFormatError, match=f"rename it to {LAST}"):
        training.load_last(tmp_path)


def test_weights_alone_are_not_gone_on_from(tmp_path):
    (tmp_path / LAST).write_bytes(SHIPPED["sfn"].read_bytes())
    with pytest.raises(InvalidInputError, match=r"last.ckpt holds weights alone"):
        training.load_last(tmp_path)


def test_a_free_run_does_not_go_on_with_weights_that_are_not_free(tmp_path, monkeypatch):
    """Of a network that was moved to the free face model before."""
    research = load_network("sfn")
    free = replace(research, face_model=read_face_model("free"))
    monkeypatch.setattr(training, "load_last", lambda out: free)
    (tmp_path / LAST).touch()
    recipe = Recipe("sfn", epochs=1, batch_size=1, free=True, face_model="free")
    with pytest.raises(InvalidInputError, match="cannot go on with it"):
        training.train(recipe, tmp_path, tmp_path)


def test_strip_does_not_overwrite_its_checkpoint(tmp_path, capsys):
    checkpoint = tmp_path / "sfn.ckpt"
    checkpoint.write_bytes(SHIPPED["sfn"].read_bytes())
    assert main(["strip", str(checkpoint), "--out", str(checkpoint)]) == 1
    assert "is the input" in capsys.readouterr().err
    assert main(["strip", str(checkpoint), "--out", str(tmp_path / "small.ckpt")]) == 0
    assert load_network(tmp_path / "small.ckpt").config == load_network(checkpoint).config


def weights_of_floats(changed):
    name = next(n for n, w in changed["state_dict"].items() if w.is_floating_point())
    return name, changed["state_dict"][name]


@pytest.mark.parametrize(
    ("change", "tells"),
    [
        (lambda w: w * float("nan"), "are not finite"),
        (lambda w: w / 0, "are not finite"),
        (lambda w: w.long(), "are torch.int64, not torch.float32"),
        (lambda w: w.to(torch.complex64), "are torch.complex64, not torch.float32"),
    ],
)
@pytest.mark.filterwarnings("ignore:Casting complex values")
def test_weights_that_are_no_numbers_are_refused(tmp_path, change, tells):
    content = torch.load(SHIPPED["sfn"], weights_only=True)
    name, weight = weights_of_floats(content)
    content["state_dict"][name] = change(weight)
    torch.save(content, tmp_path / "odd.ckpt")
    with pytest.raises(ModelFormatError, match=tells):
        load_network(tmp_path / "odd.ckpt")


def test_unknown_unseen_expressions_are_refused(tmp_path):
    content = torch.load(SHIPPED["sfn"], weights_only=True)
    content["edgeface"]["unseen_expressions"] = ["noseWiggle"]
    torch.save(content, tmp_path / "odd.ckpt")
    with pytest.raises(ModelFormatError, match=r"unseen_expressions\[0\] must be one of"):
        load_network(tmp_path / "odd.ckpt")


@pytest.mark.parametrize(
    ("recipe", "tells"),
    [
        ({"x": torch.ones(3)}, "the recipe is no JSON"),
        ({"x": float("nan")}, "not JSON compliant"),
        ({"licence": "a\nb"}, "recipe.licence must be text"),
        ({"free": "no"}, "recipe.free must be true or false"),
        ([1], "recipe must be an object"),
    ],
)
def test_a_recipe_that_no_file_could_state_is_refused(tmp_path, recipe, tells):
    content = torch.load(SHIPPED["sfn"], weights_only=True)
    content["edgeface"]["recipe"] = recipe
    torch.save(content, tmp_path / "odd.ckpt")
    with pytest.raises(ModelFormatError, match=tells):
        load_network(tmp_path / "odd.ckpt")


def test_a_configuration_takes_no_memory_that_the_weights_do_not(tmp_path, monkeypatch):
    content = torch.load(SHIPPED["sfn"], weights_only=True)
    content["edgeface"]["config"]["head_units"] = 1 << 14
    torch.save(content, tmp_path / "odd.ckpt")
    built = []
    monkeypatch.setattr(torch.nn.Linear, "reset_parameters", lambda layer: built.append(layer))
    with pytest.raises(ModelFormatError, match="do not fit its configuration"):
        load_network(tmp_path / "odd.ckpt")
    assert built
    assert {layer.weight.device.type for layer in built} == {"meta"}


def test_objects_in_a_checkpoint_are_told_of_without_advice_to_run_them(tmp_path):
    torch.save({"edgeface": slice(1)}, tmp_path / "odd.ckpt")
    with pytest.raises(ModelFormatError) as caught:
        load_network(tmp_path / "odd.ckpt")
    assert "holds objects other than tensors" in str(caught.value)
    assert "weights_only" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_that_would_fill_the_memory_is_not_unpacked(tmp_path):
    path = tmp_path / "packed.ckpt"
    with (
        zipfile.ZipFile(SHIPPED["sfn"]) as old,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            new.writestr(name, old.read(name))
    with pytest.raises(ModelFormatError, match=r"would unpack to [\d,]+ bytes"):
        load_network(path)
