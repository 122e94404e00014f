import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import edgeface
from edgeface.cli import COMMANDS, main
from edgeface.cli.bench import COMMANDS as BENCH_COMMANDS
from edgeface.shipped import BUNDLED


def test_run_prints_faces_and_writes_overlays(tmp_path, capsys):
    assert main(["run", "demo", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("demo: 5 faces")
    assert "yaw" in printed
    with Image.open(tmp_path / "demo-faces.png") as overlay:
        assert overlay.size == (1280, 800)


def test_only_the_command_that_was_asked_for_is_imported():
    code = (
        "import sys; from edgeface.cli import main; main(['run', 'demo', '--json']); "
        "sys.exit(any(name.startswith(('edgeface.video', 'http')) for name in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS),
                                     *(["bench", name] for name in BENCH_COMMANDS)])  # fmt: skip
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    assert f"usage: edgeface {' '.join(command)}".rstrip() in capsys.readouterr().out


def test_run_json_is_one_object_an_image(capsys):
    assert main(["run", "demo", "demo", "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    faces = json.loads(lines[0])["faces"]
    assert len(faces) == 5
    assert {"box_xyxy", "score", "landmarks_2d", "euler_deg", "blendshapes"} <= set(faces[0])


def test_run_ends_quietly_when_nobody_reads_on():
    command = [sys.executable, "-u", "-m", "edgeface", "run", *["demo"] * 3]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline().startswith("demo")
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == ""
    assert process.wait(60) == 1


def test_run_takes_another_input_size(capsys):
    assert main(["run", "demo", "--input-size", "224", "--json"]) == 0
    faces = edgeface.load("mfn", input_size=224, refine="sfn").run(edgeface.DEMO_PHOTO)
    assert json.loads(capsys.readouterr().out)["faces"] == faces.to_dict()
    assert main(["run", "demo", "--model", "sfn", "--input-size", "224"]) == 1
    assert "takes inputs of 128 px only" in capsys.readouterr().err


def test_run_reports_bad_images_and_goes_on(tmp_path, capsys):
    (tmp_path / "bad.jpg").write_text("no image")
    assert main(["run", str(tmp_path / "bad.jpg"), "demo"]) == 1
    captured = capsys.readouterr()
    assert "bad.jpg is no readable image" in captured.err
    assert "demo: 5 faces" in captured.out


@pytest.mark.parametrize(
    ("name", "detector"), [("sfn", "mfn"), ("fusion", "mfn"), ("sfn-free", "mfn-free")]
)
def test_run_with_a_crop_network_looks_where_the_mfn_finds_faces(tmp_path, capsys, name, detector):
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(tmp_path / "black.png")
    assert main(["run", str(tmp_path / "black.png"), "demo", "--model", name, "--json"]) == 0
    nobody, five = (json.loads(line)["faces"] for line in capsys.readouterr().out.splitlines())
    found = edgeface.load(detector).run(edgeface.DEMO_PHOTO).to_dict()
    assert nobody == []
    assert [f["box_xyxy"] for f in five] == [f["box_xyxy"] for f in found]
    assert [f["score"] for f in five] == [f["score"] for f in found]


def test_a_closer_look_after_a_crop_network_is_refused(capsys):
    assert main(["run", "demo", "--model", "sfn", "--refine", "fusion"]) == 1
    assert "--model sfn is a crop network, so no other looks again" in capsys.readouterr().err


@pytest.mark.parametrize("engine", [[], ["--engine", "plain", "--save", "faces"]])
def test_workers_without_ray_are_refused(capsys, engine):
    assert main(["run", "demo", "--workers", "2", *engine]) == 1
    assert "--workers is for --engine ray" in capsys.readouterr().err


def test_a_free_detector_is_followed_by_a_free_closer_look(capsys):
    assert main(["run", "demo", "--model", "mfn-free", "--json"]) == 0
    faces = json.loads(capsys.readouterr().out)["faces"]
    expected = edgeface.load("mfn-free", refine="sfn-free").run(edgeface.DEMO_PHOTO).to_dict()
    assert len(faces) >= 4
    for face, other in zip(faces, expected, strict=True):
        assert face["landmarks_2d"] == other["landmarks_2d"]


def test_run_reports_a_bad_model_and_folder(tmp_path, capsys):
    assert main(["run", "demo", "--model", str(tmp_path / "absent.onnx")]) == 1
    assert "no such model" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert main(["run", "demo", "--out", str(tmp_path / "file")]) == 1
    assert "--out needs a folder" in capsys.readouterr().err


@pytest.mark.parametrize("name", BUNDLED)
def test_info_describes_bundled_models(capsys, name):
    assert main(["info", name]) == 0
    printed = capsys.readouterr().out
    assert "uint8 RGB" in printed
    assert ("any use" if name.endswith("-free") else "research use only") in printed
    assert main(["info", name, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == name.removesuffix("-free")


def test_without_a_command_it_says_what_to_try(capsys):
    assert main([]) == 0
    assert "edgeface run demo --out out" in capsys.readouterr().out


def test_version_names_backends_and_kernels(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    first, *lines = capsys.readouterr().out.splitlines()
    assert first == f"edgeface {edgeface.__version__}"
    assert [line.split()[0] for line in lines] == [".onnx", ".tflite", ".mlpackage", ".pt2",
                                                   "kernels"]  # fmt: skip


def test_info_is_one_screen_unless_more_is_asked_for(capsys):
    assert main(["info", "mfn"]) == 0
    assert len(capsys.readouterr().out.splitlines()) <= 24
    assert main(["info", "mfn", "--layers"]) == 0
    printed = capsys.readouterr().out
    assert "output detection" in printed
    assert len(printed.splitlines()) > 60


def test_a_wrong_name_of_a_model_lists_the_right_ones(capsys):
    assert main(["run", "demo", "--model", "mnf"]) == 1
    printed = capsys.readouterr().err
    assert "no such model: mnf; did you mean mfn?" in printed
    assert f"{', '.join(BUNDLED)} ship with edgeface" in printed


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_of_the_shell(shell, capsys, tmp_path):
    pytest.importorskip("shtab", reason="needs the extra: edgeface[completion]")
    assert main(["completion", shell]) == 0
    script = tmp_path / "edgeface"
    script.write_text(capsys.readouterr().out)
    assert "recursive" in script.read_text()
    if shutil.which(shell):
        subprocess.run([shell, "-n", script], check=True)


def test_bash_completes_commands_options_and_choices(capsys, tmp_path):
    pytest.importorskip("shtab", reason="needs the extra: edgeface[completion]")
    if not shutil.which("bash"):
        pytest.skip("needs bash")
    assert main(["completion", "bash"]) == 0
    (tmp_path / "edgeface").write_text(capsys.readouterr().out)
    (tmp_path / "photo.jpg").touch()
    code = 'source ./edgeface; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _shtab_edgeface'
    found = []
    for words in (
        ["in"], ["run", "--rec"], ["run", "--format", "pa"], ["run", "pho"],
        ["track", "demo", "--record", "pho"], ["demo", "--personal", "pho"],
        ["bench", "run", "pho"],
    ):  # fmt: skip
        command = ["bash", "-c", code + '; echo "${COMPREPLY[@]}"', "bash", "edgeface", *words]
        found.append(subprocess.check_output(command, cwd=tmp_path, text=True).strip())
    assert found == ["info", "--recursive", "parquet", *["photo.jpg"] * 4]


@pytest.mark.parametrize("module", ["edgeface", "edgeface.cli", "edgeface.reference.cli"])
def test_command_lines_are_modules_too(module):
    command = [sys.executable, "-m", module, "--help"]
    assert "usage: edgeface" in subprocess.run(command, capture_output=True, text=True).stdout


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("rn", "did you mean run?"),
        ("qqq", "there are run, track"),
        ("my photo.jpg", "edgeface run 'my photo.jpg'"),
    ],
)
def test_a_word_that_is_no_command_is_told_what_may_be_meant(
    word, said, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my photo.jpg").touch()
    with pytest.raises(SystemExit, match="2"):
        main([word])
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [["run", "demo", "--out"], ["run", "demo", "--save"], ["export", "sfn", "--out"],
     ["convert", "sfn", "--out"], ["track", "demo", "--take"],
     ["verify", "sfn", "sfn", "--images"]],
)  # fmt: skip
def test_an_empty_name_is_not_the_current_folder(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="2"):
        main([*command, ""])
    assert "an empty name is no path" in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("option", ["--threads", "--faces"])
def test_numbers_that_would_keep_the_bench_busy_for_ever_are_refused(option, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["bench", "run", "sfn", option, "1,99999"])
    assert "expected numbers from 0 to 1024" in capsys.readouterr().err
