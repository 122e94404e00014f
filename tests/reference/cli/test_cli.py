import re
import subprocess
import sys

import pytest

from edgeface.reference.cli import main

COMMANDS = (
    "train", "evaluate", "plot", "strip", "cost", "anchors", "study", "face-model", "conventions",
    "database",
)  # fmt: skip


@pytest.mark.parametrize(
    "command",
    [[], *([name] for name in COMMANDS), ["study", "ablation"], ["study", "databases"],
     ["face-model", "learn"], ["face-model", "draw"], ["face-model", "harmonics"]],
    ids=" ".join,
)  # fmt: skip
def test_every_command_says_what_it_does(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([*command, "--help"])
    assert stopped.value.code == 0
    said = capsys.readouterr().out
    assert said.startswith(" ".join(["usage: edgeface-train", *command]))
    assert all(name in said for name in (COMMANDS if not command else ()))
    assert re.search(r"\n\n[A-Z][^:]+\.\n\n", said)


def test_without_its_extra_a_command_says_which(tmp_path):
    program = (
        "import sys; sys.modules['torch'] = None; from edgeface.reference.cli import main; "
        "sys.exit(main(['cost']))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.returncode == 1
    expected = "edgeface-train: this command needs torch: pip install 'edgeface[train]'"
    assert run.stderr.strip() == expected


def test_a_face_model_is_drawn(face_model, tmp_path):
    face_model.save(tmp_path / "model.npz")
    out = tmp_path / "shapes.png"
    assert main(["face-model", "draw", str(tmp_path / "model.npz"), "--out", str(out)]) == 0
    assert out.stat().st_size > 10_000


@pytest.mark.parametrize(
    "command",
    [
        ["gaze", "sfn"],
        ["blinks", "sfn"],
        ["refit", "sfn"],
        ["face-model", "learn"],
        ["free", "face-model"],
    ],
    ids=" ".join,
)
def test_an_output_without_a_folder_is_told_before_the_work(command, tmp_path, capsys):
    out = tmp_path / "nowhere" / "out"
    assert main([*command, "--data", str(tmp_path), "--out", str(out)]) == 1
    assert f"there is no folder {out.parent}" in capsys.readouterr().err


def test_a_training_into_a_file_is_refused_before_the_packs_are_read(tmp_path, capsys):
    pytest.importorskip("lightning", reason="needs the extra: edgeface[train]")
    (tmp_path / "file").touch()
    out = str(tmp_path / "file")
    assert main(["train", "sfn", "--data", str(tmp_path), "--out", out]) == 1
    assert f"cannot make the folder {out}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    ["anchors --count 0", "anchors --size 100", "free people --count 0", "free crowds --count -1"],
)
def test_numbers_that_are_none_are_told_before_the_work(command, tmp_path, capsys):
    assert main([*command.split(), "--data", str(tmp_path)]) == 1
    assert f"{command.split()[-2]} must be a whole number" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["evaluate sfn", "study ablation"])
def test_a_folder_that_cannot_be_made_is_told_before_the_work(command, tmp_path, capsys):
    (tmp_path / "file").touch()
    out = tmp_path / "file" / "out"
    assert main([*command.split(), "--data", str(tmp_path), "--out", str(out)]) == 1
    assert "--out needs a folder, and " in capsys.readouterr().err
