"""Files take their names whole; whatever had the name before stays if they do not."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path, PureWindowsPath

import numpy as np
import pytest
from PIL import Image

import edgeface
from edgeface.cli import main
from edgeface.corpora import Store
from edgeface.descriptors import descriptor_of
from edgeface.errors import InvalidInputError
from edgeface.growing_file import GrowingFile
from edgeface.output import (
    PREFIX,
    check_place,
    distinct_name,
    folder_of,
    make_folder,
    refuse_inputs,
    refuse_twice,
    replace_file,
    whole_file,
    write_output,
)
from edgeface.ready import ready_files, write_ready
from edgeface.terminal import ended_by_signals

OLD = b"what was there before"


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "result.json"
    path.write_bytes(OLD)
    return path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_write_output_replaces_and_leaves_nothing_else(old):
    write_output(old, "néw")
    assert old.read_bytes() == "néw".encode()
    assert names(old.parent) == ["result.json"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, MemoryError])
def test_whole_file_keeps_the_old_one_after(error, old):
    def write():
        with whole_file(old) as file:
            file.write(b"half of")
            raise error

    with pytest.raises(error):
        write()
    assert old.read_bytes() == OLD
    assert names(old.parent) == ["result.json"]


@pytest.mark.parametrize(
    "name", ["folder", "no/such/folder.json", "folder/" + 300 * "x", "zero\0"], ids=range(4)
)
def test_whole_file_names_what_it_cannot_write(tmp_path, name):
    (tmp_path / "folder").mkdir()
    with pytest.raises(InvalidInputError, match="cannot write"):
        write_output(tmp_path / name, b"")
    assert names(tmp_path) == ["folder"]


def test_write_output_goes_through_links(old):
    link = old.with_name("latest.json")
    link.symlink_to(old.name)
    write_output(link, b"new")
    assert link.is_symlink()
    assert old.read_bytes() == b"new"


def test_write_output_keeps_the_mode(old):
    old.chmod(0o640)
    write_output(old, b"new")
    assert old.stat().st_mode & 0o777 == 0o640


def test_new_files_get_the_mode_that_any_new_file_gets(tmp_path):
    (tmp_path / "usual").touch()
    write_output(tmp_path / "ours", b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_devices_are_written_as_they_are():
    write_output("/dev/null", b"content")
    with pytest.raises(InvalidInputError, match=r"cannot write /dev/full: No space left"):
        write_output("/dev/full", b"content")


def test_standard_output_has_its_name_on_windows_too():
    assert descriptor_of(PureWindowsPath("/dev/stdout")) == 1
    assert descriptor_of(PureWindowsPath("C:/dev/stdout")) is None


def write_content(kind, name):
    """Write a file at once, or as one that grows."""
    if kind == "whole":
        write_output(name, b"content")
    else:
        file = GrowingFile(name)
        file.write(b"content")
        file.show()
        file.close()


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="needs /dev/fd")
@pytest.mark.parametrize("kind", ["whole", "growing"])
def test_pipes_that_have_no_other_name_are_written(kind):
    """As /dev/stdout before a pipe, and what shells make of >(command)."""
    reader, writer = os.pipe()
    path = f"/dev/fd/{writer}"
    check_place(path)
    write_content(kind, path)
    os.close(writer)
    with open(reader, "rb") as stream:
        assert stream.read() == b"content"


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="needs /dev/fd")
@pytest.mark.parametrize("kind", ["whole", "growing"])
def test_streams_into_a_file_go_on_where_they_are(kind, tmp_path):
    """As /dev/stdout does after ``edgeface ... >> all.jsonl``: the file keeps what it has."""
    path = tmp_path / "all.jsonl"
    path.write_bytes(b"before ")
    with path.open("ab", buffering=0) as stream:
        name = f"/dev/fd/{stream.fileno()}"
        write_content(kind, name)
        stream.write(b" after")
    assert path.read_bytes() == b"before content after"
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="needs /dev/stdout")
def test_a_report_to_standard_output_is_all_that_comes_there():
    command = [sys.executable, "-m", "edgeface", "run", "demo", "--detail", "fast",
               "--refine", "none", "--format", "json", "--save", "-"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert [image["image"] for image in json.loads(done.stdout)] == ["demo"]
    assert done.stderr == "wrote /dev/stdout\n"


@pytest.mark.parametrize("way", ["name", "relative", "symlink", "hard link", "file:", "file://"])
def test_inputs_are_refused_by(way, old, monkeypatch):
    monkeypatch.chdir(old.parent)
    link = old.with_name("link.json")
    if way == "symlink":
        link.symlink_to(old)
    if way == "hard link":
        link.hardlink_to(old)
    source = {"relative": f"./{old.name}", "file:": f"file:{old}", "file://": f"file://{old}"}
    target = link if "link" in way else old
    with pytest.raises(InvalidInputError, match="is the input"):
        write_output(target, b"new", inputs=["camera", source.get(way, old)])
    with pytest.raises(InvalidInputError, match="is the input"):
        GrowingFile(target, inputs=[source.get(way, old)])
    assert old.read_bytes() == OLD


def test_what_is_no_file_is_no_input(tmp_path):
    refuse_inputs(tmp_path / "new", ["camera:1", "demo", "rtsp://host/x", "a\0b", "/dev/null"])


def test_refuse_twice_sees_through_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refuse_twice(["a.json", "b.json"])
    with pytest.raises(InvalidInputError, match="twice"):
        refuse_twice(["a.json", tmp_path / "." / "a.json"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["calibrate", "absent.mp4", "nowhere/me.json"],
            "cannot write nowhere/me.json: there is no",
        ),
        (["calibrate", "absent.mp4", "own.onnx", "--model", "own.onnx"], "own.onnx is the input"),
        (["personalise", "absent.mp4", "--out", "nowhere/me.efp"], "cannot write nowhere/me.efp"),
        (["personalise", "photos", "--out", "me.efp"], "photos is a folder: name the photos in it"),
    ],
)
def test_what_cannot_be_written_is_said_before_the_work(
    arguments, message, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "own.onnx").touch()
    assert main(arguments) == 1
    assert capsys.readouterr().err.startswith(f"edgeface: {message}")


def take_to(folder):
    outputs = pytest.importorskip("edgeface.video.outputs")
    outputs.Outputs(None, None).take_to(folder, outputs.ExportOptions(), mesh=False)


@pytest.mark.parametrize(
    "write",
    [
        make_folder,
        take_to,
        lambda folder: write_ready(ready_files()[0], folder),
        lambda folder: Store(folder).write("part.parquet", OLD),
    ],
    ids=["alone", "take", "ready file", "corpus"],
)
def test_a_folder_that_cannot_be_made_is_named(write, tmp_path):
    (tmp_path / "file").write_bytes(OLD)
    folder = tmp_path / "file" / "inside"
    with pytest.raises(InvalidInputError) as error:
        write(folder)
    assert str(error.value) == f"cannot make the folder {folder}: Not a directory"


def test_distinct_names_never_collide():
    taken = set()
    found = [distinct_name(name, taken) for name in ("a", "A", "a-2", "a", "e\u0301", "\u00e9")]
    assert found == ["a", "A-2", "a-2-2", "a-3", "e\u0301", "\u00e9-2"]


def test_replace_file_replaces_folders(tmp_path):
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "content").write_text(name)
    replace_file(tmp_path / "new", tmp_path / "old")
    assert (tmp_path / "old" / "content").read_text() == "new"
    assert names(tmp_path) == ["old"]


def test_a_growing_file_takes_its_name_once_it_can_be_read(tmp_path):
    path = tmp_path / "take.jsonl"
    file = GrowingFile(path)
    file.write(b"one\n")
    assert not path.exists()
    file.show()
    file.write(b"two\n")
    assert path.read_bytes() == b"one\ntwo\n"
    file.close()
    file.close()
    assert names(tmp_path) == ["take.jsonl"]


def test_a_growing_file_keeps_an_older_one_until_it_is_finished(old):
    file = GrowingFile(old)
    file.write(b"new")
    assert old.read_bytes() == OLD
    file.show()
    assert (old.parent / "result.previous.json").read_bytes() == OLD
    assert old.read_bytes() == b"new"
    file.close()
    assert names(old.parent) == ["result.json"]


def test_an_older_file_is_kept_once_where_no_open_file_can_be_renamed(old, monkeypatch):
    """As on Windows, where `show` is tried with every frame and only `close` succeeds."""

    def refuse(*_):
        raise PermissionError("it is open")

    file = GrowingFile(old)
    with monkeypatch.context() as windows:
        windows.setattr("edgeface.growing_file.os.replace", refuse)
        for _ in range(3):
            file.write(b"new")
            file.show()
    kept = [name for name in names(old.parent) if not name.startswith(PREFIX)]
    assert kept == ["result.json", "result.previous.json"]
    file.close()
    assert old.read_bytes() == 3 * b"new"
    assert names(old.parent) == ["result.json"]


def test_a_growing_file_that_fails_gives_the_name_back(old):
    file = GrowingFile(old)
    file.write(b"half")
    file.show()
    file.fail()
    file.close()
    assert old.read_bytes() == OLD
    assert (old.parent / "result.part.json").read_bytes() == b"half"


def test_a_growing_file_without_content_is_not_made(old):
    GrowingFile(old).close()
    assert old.read_bytes() == OLD
    assert names(old.parent) == ["result.json"]


def test_older_files_that_a_kill_left_are_not_overwritten(old):
    (old.parent / "result.previous.json").write_bytes(b"of a killed run")
    file = GrowingFile(old)
    file.write(b"new")
    file.show()
    assert (old.parent / "result.previous-2.json").read_bytes() == OLD
    file.close()
    assert names(old.parent) == ["result.json", "result.previous.json"]


@pytest.fixture(params=[signal.SIGTERM, signal.SIGHUP])
def number(request):
    """A signal that nobody handles or ignores, as who started the tests may have had it."""
    before = signal.signal(request.param, signal.SIG_DFL)
    yield request.param
    signal.signal(request.param, before)


def test_signals_end_a_block_as_an_interrupt_does(number, old):
    def write():
        with ended_by_signals(), whole_file(old) as file:
            file.write(b"half")
            os.kill(os.getpid(), number)

    with pytest.raises(KeyboardInterrupt):
        write()
    assert old.read_bytes() == OLD
    assert names(old.parent) == ["result.json"]
    assert signal.getsignal(number) is signal.SIG_DFL


def test_ignored_signals_stay_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ended_by_signals():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


LIMITED = """
import resource, runpy, signal

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
runpy.run_module("edgeface", run_name="__main__", alter_sys=True)
"""
"""edgeface where no file may grow past 20 kB: the nearest to a full disk that needs no rights."""

COMMANDS = {
    "run": ("out/demo-faces.png", ["run", "demo", "--out", "out"]),
    "overlay": ("out/o.mp4", ["track", "clip.mp4", "--out", "out/o.mp4"]),
    "recording": ("out/t.jsonl", ["track", "clip.mp4", "--record", "out/t.jsonl"]),
    "curves": ("out/t.csv", ["track", "clip.mp4", "--record", "out/t.csv"]),
    "page": ("out/t.html", ["track", "take.jsonl", "--record", "out/t.html"]),
}


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """The photo's five faces for a third of a second."""
    av = pytest.importorskip("av", reason="needs the extra: edgeface[video]")
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    photo = edgeface.read_image(edgeface.DEMO_PHOTO)
    height, width = photo.shape[:2]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", 30, width=width, height=height)
        for _ in range(10):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(photo)))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def take(clip):
    path = clip.with_name("take.jsonl")
    assert main(["track", str(clip), "--record", str(path)]) == 0
    return path


@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_disk_is_an_error_and_costs_nothing(command, clip, take, tmp_path):
    name, arguments = COMMANDS[command]
    (tmp_path / "out").mkdir()
    for source in (clip, take):
        (tmp_path / source.name).write_bytes(source.read_bytes())
    old = tmp_path / name
    old.write_bytes(OLD)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, *arguments],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(Path(edgeface.__file__).parents[1])},
    )  # fmt: skip
    assert done.returncode == 1
    assert "cannot write" in done.stderr
    assert "Traceback" not in done.stderr
    assert old.read_bytes() == OLD
    kept = {old.name, f"{old.stem}.part{old.suffix}", f"{old.name}.part.jsonl"}
    assert set(names(tmp_path / "out")) <= kept


def test_an_output_that_cannot_be_made_leaves_no_trace_of_the_others(tmp_path, capsys):
    pytest.importorskip("av", reason="needs the extra: edgeface[video]")
    (tmp_path / "o.mp4").write_bytes(OLD)
    record = str(tmp_path / "no folder" / "t.jsonl")
    assert main(["track", "demo", "--out", str(tmp_path / "o.mp4"), "--record", record]) == 1
    assert "cannot write" in capsys.readouterr().err
    assert (tmp_path / "o.mp4").read_bytes() == OLD
    assert names(tmp_path) == ["o.mp4"]


def test_what_a_killed_run_left_is_not_overwritten(clip, tmp_path):
    left = tmp_path / "t.csv.part.jsonl"
    left.write_bytes(OLD)
    assert main(["track", str(clip), "--record", str(tmp_path / "t.csv")]) == 0
    assert left.read_bytes() == OLD
    assert names(tmp_path) == ["t.csv", "t.csv.part.jsonl"]


@pytest.mark.parametrize("suffix", [".CSV", ".Html", ".JSONL"])
def test_suffixes_count_whatever_their_case(suffix, clip, take, tmp_path):
    source = tmp_path / "TAKE.JSONL"
    source.write_bytes(take.read_bytes())
    target = tmp_path / f"result{suffix}"
    of = clip if suffix == ".JSONL" else source
    assert main(["track", str(of), "--record", str(target)]) == 0
    assert target.stat().st_size


def test_overlays_of_one_run_never_share_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small = Image.fromarray(np.full((40, 60, 3), 90, np.uint8))
    images = ["a/x.png", "b/x.png", "b/X.jpg", "x-faces.png"]
    for name in images:
        Path(name).parent.mkdir(exist_ok=True)
        small.save(name)
    before = Path("x-faces.png").read_bytes()
    assert main(["run", *images, "--out", "."]) == 0
    found = [p.name for p in tmp_path.iterdir() if p.is_file()]
    assert sorted(found) == [
        "X-faces-4.png", "x-faces-2.png", "x-faces-3.png", "x-faces-faces.png", "x-faces.png",
    ]  # fmt: skip
    assert Path("x-faces.png").read_bytes() == before


@pytest.mark.parametrize("way", ["out", "record", "both", "model", "character"])
def test_track_refuses_to_write_what_it_reads(way, take, tmp_path, capsys):
    source = tmp_path / "take.mp4"
    source.write_bytes(OLD)
    arguments = {
        "out": ["--out", str(source)],
        "record": ["--record", str(source), "--to", "jsonl"],
        "both": ["--out", str(tmp_path / "x.mp4"), "--record", str(tmp_path / "x.mp4"),
                 "--to", "jsonl"],
        "model": ["--model", str(source), "--out", str(source)],
        "character": ["--character", str(source), "--record", str(source), "--to", "gltf"],
    }  # fmt: skip
    assert main(["track", "demo" if way in ("model", "character") else str(source),
                 *arguments[way]]) == 1  # fmt: skip
    assert ("twice" if way == "both" else "is the input") in capsys.readouterr().err
    assert source.read_bytes() == OLD


def test_check_place_refuses_before_long_work(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "dangling").symlink_to(tmp_path / "absent" / "file")
    for name, said in (("folder", "it is a folder"), ("no/file", "there is no folder"),
                       ("dangling", "there is no folder")):  # fmt: skip
        with pytest.raises(InvalidInputError, match=said):
            check_place(tmp_path / name)
    (tmp_path / "link").symlink_to(tmp_path / "folder" / "file")
    for path in (tmp_path / "new", tmp_path / "link", os.devnull):
        check_place(path)


def test_check_place_refuses_folders_that_may_not_be_written_to(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(InvalidInputError, match="nothing may be written to"):
        check_place(tmp_path / "new")
    with pytest.raises(InvalidInputError, match=f"--out: nothing may be written to {tmp_path}$"):
        folder_of("--out", tmp_path / "new" / "newer")


def test_a_folder_that_cannot_be_made_is_refused_before_long_work(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for name in ("file", "file/below/it"):
        with pytest.raises(InvalidInputError, match=r"needs a folder, and .*file is a file"):
            folder_of("--out", tmp_path / name)
    assert folder_of("--out", tmp_path / "new" / "newer") == tmp_path / "new" / "newer"
