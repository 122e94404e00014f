"""Streams that cannot hold what is printed, that are full, closed, or not read to the end."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import edgeface
from edgeface.terminal import run_command

ROOT = Path(__file__).parents[2]


@pytest.fixture
def photos(tmp_path):
    for name in ("写真.jpg", "b.jpg"):
        shutil.copy(edgeface.DEMO_PHOTO, tmp_path / name)
    return tmp_path


def run(folder, *arguments, encoding="utf-8", before=(), **options):
    environment = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONPATH": str(ROOT)}
    command = [*before, sys.executable, "-m", "edgeface", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, stderr=subprocess.PIPE, timeout=100, **options
    )


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8:strict", "utf-16"])
@pytest.mark.parametrize("option", [["--json"], ["--out", "out"]])
def test_any_name_can_be_printed(photos, encoding, option):
    odd = os.fsdecode(b"caf\xe9.jpg")
    shutil.copy(edgeface.DEMO_PHOTO, photos / odd)
    result = run(
        photos, "run", "写真.jpg", odd, "absent\udce9.jpg", "b.jpg", *option, encoding=encoding,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    text = result.stdout.decode(encoding.partition(":")[0])
    assert text.count("5 faces") == 3 or text.count('"faces"') == 3
    assert b"Traceback" not in result.stderr
    assert b"no such image" in result.stderr.replace(b"\0", b"")
    assert result.returncode == 1


@pytest.mark.skipif(os.name == "nt", reason="no such names on Windows")
def test_names_do_not_command_the_terminal(tmp_path):
    """ESC [ 2 J clears the screen, and a return hides what stands before it."""
    odd = "a\x1b[2J\rb.jpg"
    shutil.copy(edgeface.DEMO_PHOTO, tmp_path / odd)
    found = run(tmp_path, "run", odd, "--out", "out", stdout=subprocess.PIPE)
    absent = run(tmp_path, "run", f"absent {odd}", stdout=subprocess.PIPE)
    for text in (found.stdout.decode(), absent.stderr.decode()):
        assert "a\\x1b[2J\\x0db" in text
        assert "\x1b[2J" not in text
        assert "\r" not in text
    (overlay,) = (tmp_path / "out").iterdir()
    assert overlay.name == "a\x1b[2J\rb-faces.png"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", [["run", "b.jpg"], ["run", "b.jpg", "--json"], ["info"],
                                       ["info", "mfn", "--json"], ["run", "--help"]])  # fmt: skip
def test_a_full_disk_is_one_line(photos, arguments):
    with open("/dev/full", "w") as full:
        result = run(photos, *arguments, stdout=full)
    assert b"Traceback" not in result.stderr
    assert b"No space left on device" in result.stderr
    assert result.stderr.count(b"\n") == 1
    assert result.returncode == 1


def test_a_folder_that_cannot_be_read_is_named_and_no_output(capsys):
    def execute():
        raise PermissionError(13, "Permission denied", "photos")

    assert run_command("edgeface", execute) == 1
    assert capsys.readouterr().err == "edgeface: photos: Permission denied\n"


def test_closed_streams_do_not_matter(photos):
    closed = ["sh", "-c", 'exec "$@" >&-', "sh"]
    result = run(photos, "run", "b.jpg", before=closed, stdout=subprocess.PIPE)
    assert b"Traceback" not in result.stderr
    assert result.returncode == 0
