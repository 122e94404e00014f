"""Corpora: every photo once, whatever stopped the run before, and every error by its name."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

import edgeface
from edgeface import InvalidInputError
from edgeface.cli import finding, main
from edgeface.corpora import Store, run_corpus
from edgeface.corpora import label as label_module
from edgeface.corpora import run as run_module
from edgeface.corpora.label import part_name
from edgeface.corpora.run import pending
from edgeface.image_files import HEAD_BYTES
from edgeface.shipped import network_path

pyarrow = pytest.importorskip("pyarrow", reason="needs the extra: edgeface[tables]")
parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra: edgeface[tables]")

OPTIONS = {"look_again": False}


@pytest.fixture(scope="module")
def model():
    return edgeface.load("mfn", num_threads=1)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Ten photos: five faces in one, none in the others, one of which is no image."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "more/.hidden").mkdir(parents=True)
    for number in range(8):
        Image.fromarray(np.full((40, 60, 3), 20 * number, np.uint8)).save(folder / f"{number}.png")
    shutil.copy(edgeface.DEMO_PHOTO, folder / "more/ü five.jpg")
    shutil.copy(edgeface.DEMO_PHOTO, folder / "more/.hidden/five.jpg")
    (folder / "bad.jpg").write_text("no image")
    (folder / "notes.txt").write_text("no photo")
    return folder


def table_of(folder):
    return parquet.read_table(folder)


def test_every_photo_is_there_once(photos, model, tmp_path):
    shown = []
    summary = run_corpus(photos, tmp_path, model, chunk=3, options=OPTIONS,
                         progress=lambda s, total: shown.append((s.num_images, total)))  # fmt: skip
    assert (summary.num_images, summary.num_faces, summary.num_errors) == (10, 5, 1)
    assert shown == [(3, 10), (6, 10), (9, 10), (10, 10)]
    table = table_of(tmp_path)
    assert len(table) == 9 + 5
    rows = table.select(["image", "face", "error", "num_faces", "height", "score"]).to_pylist()
    five = [row for row in rows if row["image"] == "more/ü five.jpg"]
    assert [row["face"] for row in five] == [0, 1, 2, 3, 4]
    assert {(row["height"], row["num_faces"]) for row in five} == {(800, 5)}
    expected = model.run(edgeface.DEMO_PHOTO, **OPTIONS)
    assert [row["score"] for row in five] == expected.scores.tolist()
    (bad,) = (row for row in rows if row["image"] == "bad.jpg")
    assert "its content is none of JPEG" in bad.pop("error")
    assert {bad["face"], bad["num_faces"], bad["score"]} == {None}
    (nobody,) = (row for row in rows if row["image"] == "3.png")
    assert (nobody["num_faces"], nobody["face"], nobody["error"]) == (0, None, None)


def test_a_stopped_run_goes_on(photos, model, tmp_path):
    def stop(summary, _):
        if summary.num_images >= 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_corpus(photos, tmp_path, model, chunk=3, options=OPTIONS, progress=stop)
    rest = run_corpus(photos, tmp_path, model, chunk=3, options=OPTIONS)
    assert (rest.num_images, rest.num_before) == (4, 6)
    again = run_corpus(photos, tmp_path, model, chunk=3, options=OPTIONS)
    assert (again.num_images, again.num_before) == (0, 10)
    assert len(table_of(tmp_path)) == 14


def test_new_photos_and_other_chunks_double_nothing(photos, model, tmp_path):
    folder, target = tmp_path / "photos", tmp_path / "faces"
    shutil.copytree(photos, folder)
    run_corpus(folder, target, model, chunk=4, options=OPTIONS)
    shutil.copy(photos / "0.png", folder / "00 new.png")
    summary = run_corpus(folder, target, model, chunk=3, options=OPTIONS)
    assert (summary.num_images, summary.num_before) == (1, 10)
    images = table_of(target)["image"].to_pylist()
    assert len(images) == 15
    assert len(set(images)) == 11


def test_a_chunk_that_is_done_twice_is_one_file(photos, model, tmp_path):
    store, names = Store(tmp_path), ["0.png", "1.png"]
    labeller = label_module.FaceLabeller(Store(photos), store, model, OPTIONS)
    assert labeller.label(names).name == labeller.label(names).name == part_name(names)
    assert [*store.names()] == [part_name(names)]
    assert [*pending(["0.png", "1.png", "2.png"], 2, store)] == [["2.png"]]


def test_a_file_that_comes_late_or_goes_away(photos, model, tmp_path, monkeypatch):
    monkeypatch.setattr(label_module, "PAUSES_S", (0.0,))
    store, tries = Store(photos), []

    def read(name):
        tries.append(name)
        if name == "1.png" and tries.count(name) == 1:
            raise OSError("try again")
        if name == "2.png":
            raise OSError("the line is dead")
        return Store.read(store, name)

    monkeypatch.setattr(store, "read", read)
    labeller = label_module.FaceLabeller(store, Store(tmp_path), model, OPTIONS)
    part = labeller.label(["0.png", "1.png", "2.png", "gone.png"])
    assert (part.num_images, part.num_errors) == (4, 2)
    errors = dict(
        zip(*(table_of(tmp_path)[n].to_pylist() for n in ("image", "error")), strict=True)
    )
    assert errors["0.png"] is errors["1.png"] is None
    assert "the line is dead" in errors["2.png"]
    assert "no such image" in errors["gone.png"]


def test_a_local_file_that_cannot_be_read_is_not_tried_again(tmp_path):
    (tmp_path / "folder.jpg").mkdir()
    with pytest.raises(InvalidInputError, match=r"folder.jpg is no readable image"):
        Store(tmp_path).read("folder.jpg")


def test_a_large_file_that_is_no_image_is_not_read_whole(tmp_path):
    (tmp_path / "film.jpg").write_bytes(bytes(1000))
    assert len(Store(tmp_path).read("film.jpg")) == HEAD_BYTES


def test_a_large_file_in_a_bucket_is_not_read_whole(monkeypatch):
    memory = pytest.importorskip("fsspec").filesystem("memory")
    memory.pipe_file("/films/film.jpg", bytes(1000))
    memory.pipe_file("/films/large.png", b"\x89PNG\r\n\x1a\n" + bytes(1000))
    store = Store("memory://films")
    assert len(store.read("film.jpg")) == HEAD_BYTES
    assert len(store.read("large.png")) == 1008
    monkeypatch.setattr("edgeface.image_files.MAX_FILE_BYTES", 500)
    with pytest.raises(InvalidInputError, match=r"large\.png is too large"):
        store.read("large.png")


def test_a_folder_by_its_address_is_made_before_any_photo_is_looked_at(photos, model, tmp_path):
    pytest.importorskip("fsspec", reason="needs the extra: edgeface[corpora]")
    target = tmp_path / "not/there"
    run_corpus(photos, f"local://{target}", model, options=OPTIONS)
    assert len(table_of(target)) == 14
    blocked = tmp_path / "file"
    blocked.touch()
    with pytest.raises(InvalidInputError, match="cannot write local://"):
        Store(f"local://{blocked}/inside").prepare()


def test_buckets_by_fsspec(photos, model, tmp_path):
    fsspec = pytest.importorskip("fsspec", reason="needs the extra: edgeface[corpora]")
    memory = fsspec.filesystem("memory")
    memory.put(str(photos), "/bucket", recursive=True)
    summary = run_corpus("memory://bucket", "memory://faces/run", model, chunk=6, options=OPTIONS)
    assert (summary.num_images, summary.num_faces) == (10, 5)
    again = run_corpus("memory://bucket", "memory://faces/run", model, chunk=6, options=OPTIONS)
    assert again.num_before == 10
    memory.get("/faces/run/", str(tmp_path / "run/"), recursive=True)
    assert len(table_of(tmp_path / "run")) == 14


@pytest.mark.parametrize("arguments", [{"engine": "spark"}, {"workers": 0}, {"chunk": 0}])
def test_options_that_are_none(photos, model, tmp_path, arguments):
    with pytest.raises(InvalidInputError, match=next(iter(arguments))):
        run_corpus(photos, tmp_path, model, **arguments)


def test_where_nothing_is(model, tmp_path):
    with pytest.raises(InvalidInputError, match=r"has no images: expected .*jpg"):
        run_corpus(tmp_path, tmp_path / "out", model)
    with pytest.raises(InvalidInputError, match=r"there is no folder .*absent"):
        run_corpus(tmp_path / "absent", tmp_path / "out", model)
    with pytest.raises(InvalidInputError, match="nonsense://x cannot be reached"):
        run_corpus("nonsense://x", tmp_path, model)


def test_buckets_that_cannot_be_reached(photos, model, tmp_path, monkeypatch):
    memory = pytest.importorskip("fsspec").filesystem("memory")
    store = Store("memory://lost?key=secret")

    def refuse(*_):
        raise RuntimeError("no answer from https://user:secret@lost")

    monkeypatch.setattr(type(memory), "find", lambda *_: [])
    monkeypatch.setattr(type(memory), "ls", refuse)
    monkeypatch.setattr(type(memory), "pipe_file", refuse)
    with pytest.raises(
        InvalidInputError, match=r"memory://lost\?\*+ cannot be read: no answer"
    ) as bad:
        [*store.names()]
    assert "secret" not in str(bad.value)
    with pytest.raises(InvalidInputError, match=r"cannot write memory://lost.*: no answer"):
        store.write("part", b"")
    with pytest.raises(InvalidInputError, match="memory://lost cannot be read"):
        run_corpus("memory://lost", tmp_path, model)


def test_the_command_runs_a_corpus(photos, tmp_path, capsys):
    command = ["run", str(photos), "--engine", "plain", "--refine", "none"]
    assert main([*command, "--save", str(tmp_path)]) == 1
    assert "10 images, 5 faces, 1 failed; 0 were done before" in capsys.readouterr().out
    assert main([*command, "--save", str(tmp_path)]) == 0
    assert "0 images, 0 faces, 0 failed; 10 were done before" in capsys.readouterr().out
    assert main(command) == 1
    assert "--save the folder or address" in capsys.readouterr().err
    assert main([*command, "--save", str(tmp_path), "--out", "x"]) == 1
    assert "leave --out and --format out" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore")  # of Ray's own
def test_ray_does_the_same(photos, model, tmp_path):
    ray = pytest.importorskip("ray", reason="needs the extra: edgeface[corpora]")
    pytest.importorskip("ray.data", reason="needs the extra: edgeface[corpora]")
    options = {"engine": "ray", "workers": 2, "chunk": 3, "options": OPTIONS}
    try:
        summary = run_corpus(photos, tmp_path / "ray", model, **options)
    finally:
        ray.shutdown()
    assert (summary.num_images, summary.num_faces, summary.num_errors) == (10, 5, 1)
    run_corpus(photos, tmp_path / "plain", model, chunk=3, options=OPTIONS)
    ours, theirs = ([*Store(tmp_path / name).names()] for name in ("ray", "plain"))
    assert ours == theirs
    assert table_of(tmp_path / "ray").equals(table_of(tmp_path / "plain"))


def test_a_name_that_is_no_text_is_done_once(model, tmp_path):
    """As old cameras and archives leave them on Linux."""
    folder = tmp_path / "photos"
    folder.mkdir()
    try:
        (folder / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"no image")
    except OSError:
        pytest.skip("this system has no such names")
    run_corpus(folder, tmp_path / "faces", model, options=OPTIONS)
    assert table_of(tmp_path / "faces")["image"].to_pylist() == ["caf\\udce9.jpg"]
    # by another chunk, too
    (folder / "z.jpg").write_bytes(b"no image")
    assert run_corpus(folder, tmp_path / "faces", model, options=OPTIONS).num_images == 1


@pytest.mark.parametrize("content", [b"", b"PAR1 cut", "other columns"])
def test_files_of_others_in_the_target_are_named(photos, model, tmp_path, content):
    path = tmp_path / "mine.parquet"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        parquet.write_table(pyarrow.table({"name": ["a"]}), path)
    with pytest.raises(InvalidInputError, match=r"holds mine.parquet, which is damaged or was not"):
        run_corpus(photos, tmp_path, model, options=OPTIONS)


def test_a_target_that_cannot_be_is_named_before_any_photo_is_looked_at(photos, tmp_path):
    (tmp_path / "file").write_text("no folder")
    for target in (tmp_path / "file" / "below", None, b"bytes", "a\0b"):
        with pytest.raises(InvalidInputError, match=r"cannot (make|read)|must be a path"):
            run_corpus(photos, target, None)


def test_a_network_with_its_own_face_model_runs_without_the_default_closer_look(
    photos, tmp_path, monkeypatch
):
    model = tmp_path / "mine.onnx"
    shutil.copy(network_path("model", "mfn-free"), model)
    monkeypatch.setattr(finding, "partner", lambda *_: "sfn")  # of another face model
    command = ["run", str(photos / "more"), "--engine", "plain", "--model", str(model)]
    assert main([*command, "--save", str(tmp_path / "faces")]) == 0


def test_a_network_of_crops_labels_photos_without_faces(photos, tmp_path):
    sfn = edgeface.load("sfn", num_threads=1)
    assert run_corpus(photos / "more", tmp_path, sfn).num_faces == 1


def test_what_ray_raises_is_told_as_the_projects_own():
    class TaskError(Exception):
        cause = InvalidInputError("no space left")

    with pytest.raises(InvalidInputError, match=r"^no space left$"), run_module._explained():
        raise RuntimeError("a worker failed") from TaskError("traceback")
    lost = "The worker died\nof https://user:secret@host/x?key=1"
    with (
        pytest.raises(edgeface.InferenceError, match=r"^Ray failed: of https://user:\*\*\*@host"),
        run_module._explained(),
    ):
        raise RuntimeError(lost)
