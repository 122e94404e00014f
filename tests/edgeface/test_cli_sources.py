"""Which images arguments mean, and where what is made of them goes."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from edgeface import DEMO_PHOTO, InvalidInputError
from edgeface.cli.sources import find_sources, overlay_paths
from edgeface.corpora import Store


@pytest.fixture
def photos(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("b.jpg", "a.PNG", "notes.txt", ".hidden.jpg", "clip.mp4", "in/c.jpg",
                 "in/deep/a.png", ".git/x.jpg"):  # fmt: skip
        path = Path("photos", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return tmp_path


def names(*arguments, recursive=False):
    return [source.name for source in find_sources(arguments, recursive)]


@pytest.mark.parametrize(
    ("arguments", "recursive", "expected"),
    [
        (["photos"], False, ["a.PNG", "b.jpg"]),
        (["photos/"], True, ["a.PNG", "b.jpg", "in/c.jpg", "in/deep/a.png"]),
        (["photos/in", "photos/b.jpg"], False, ["in/c.jpg", "b.jpg"]),
        (["photos/*.jpg"], False, ["b.jpg"]),
        (["photos/**/*.[pP]*"], False, ["a.PNG", "in/deep/a.png"]),
        (["photos/**/in/**/*.[pj]*"], False, ["in/c.jpg", "in/deep/a.png"]),
        (["photos/**"], False, ["a.PNG", "b.jpg", "in/c.jpg", "in/deep/a.png", "notes.txt"]),
        (["photos/notes.txt"], False, ["notes.txt"]),  # by its name, whatever its suffix
    ],
)
def test_folders_patterns_and_files(photos, arguments, recursive, expected):
    assert names(*arguments, recursive=recursive) == [f"photos/{name}" for name in expected]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a system without named pipes")
def test_pipes_are_read_if_they_are_named_alone(photos):
    os.mkfifo("photos/pipe.jpg")
    Path("photos/link.jpg").symlink_to("nowhere")
    assert names("photos") == ["photos/a.PNG", "photos/b.jpg", "photos/link.jpg"]
    assert names("photos/*.jpg") == ["photos/b.jpg", "photos/link.jpg"]
    assert names("photos/pipe.jpg") == ["photos/pipe.jpg"]
    assert [*Store("photos").names()] == [
        "a.PNG", "b.jpg", "clip.mp4", "in/c.jpg", "in/deep/a.png", "link.jpg", "notes.txt",
    ]  # fmt: skip


def test_a_name_that_looks_like_a_pattern_is_a_name(photos):
    Path("a[1].jpg").write_bytes(b"")
    assert names("a[1].jpg") == ["a[1].jpg"]


def test_words_and_addresses(photos):
    demo, stdin, web = find_sources(["demo", "-", "https://x.example/a/b.jpg?size=2"], False)
    assert (demo.image, stdin.image, str(web.place)) == (DEMO_PHOTO, None, "b.jpg")
    assert (web.name, web.image) == (
        "https://x.example/a/b.jpg?***",
        "https://x.example/a/b.jpg?size=2",
    )


def test_what_no_file_may_be_called_is_left_out_of_an_addresss_name():
    """A colon would make a stream of another file on Windows."""
    (source,) = find_sources(["https://x.example/a/16:9 *best*|now\\then.jpg"], False)
    assert source.place.name == "16_9 _best__now_then.jpg"


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("photos/clip.mp4", r"is a video: edgeface track photos/clip\.mp4 follows"),
        ("absent/*.jpg", r"no image matches absent/\*\.jpg"),
        ("photos/*.mp4", "no image matches"),
        ("empty", "the folder empty has no images"),
        ("", "an empty name means no image"),
        ("films", r"videos only: edgeface track films/b\.mov is for them"),
        ("nested", "has images in folders only: --recursive searches them"),
    ],
)
def test_what_means_no_image_says_what_to_do(photos, argument, message):
    for name in ("empty", "films", "nested/photos"):
        Path(name).mkdir(parents=True)
    Path("films/b.mov").write_bytes(b"")
    Path("nested/photos/a.jpg").write_bytes(b"")
    with pytest.raises(InvalidInputError, match=message):
        find_sources([argument], False)


def test_overlays_lie_as_their_images_do(photos):
    sources = find_sources(["photos", "photos/in/c.jpg", "photos/b.jpg"], recursive=True)
    targets = [str(path) for path in overlay_paths(Path("out"), sources)]
    assert targets == [
        "out/a-faces.png", "out/b-faces.png", "out/in/c-faces.png", "out/in/deep/a-faces.png",
        "out/c-faces.png", "out/b-faces-2.png",
    ]  # fmt: skip


def test_overlays_leave_images_alone_by_whatever_name(photos):
    shutil.move("photos/b.jpg", "photos/b-faces.png")
    Path("link").symlink_to("photos")
    sources = find_sources(["photos/b-faces.png", "photos/in/c.jpg"], False)
    sources += find_sources(["photos/b-faces.png"], False)
    targets = overlay_paths(Path("link"), [sources[0], *sources])
    assert "b-faces.png" not in {path.name for path in targets}
    assert len(set(targets)) == 4


def test_standard_input_that_was_closed_is_named(monkeypatch):
    (source,) = find_sources(["-"], False)
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InvalidInputError, match="nothing is"):
        source.read()


def test_a_folder_that_cannot_be_read_stands_among_the_images_of_the_others(photos, monkeypatch):
    scandir = os.scandir

    def locked(folder):
        if Path(folder).name == "in":
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", locked)
    Path("photos/z").mkdir()
    Path("photos/z/d.jpg").write_bytes(b"")
    sources = find_sources(["photos"], True)
    assert [source.image for source in sources if source.problem is None] == [
        Path("photos/a.PNG"), Path("photos/b.jpg"), Path("photos/z/d.jpg"),
    ]  # fmt: skip
    with pytest.raises(InvalidInputError, match="cannot read photos/in: Permission denied"):
        sources[2].read()
    assert len(overlay_paths(Path("out"), sources)) == 4
    with pytest.raises(InvalidInputError, match="cannot read photos/in"):
        find_sources(["photos/in"], True)


def test_links_in_a_circle_are_no_folders(photos):
    for name in ("circle", "circle.jpg"):
        try:
            Path("photos", name).symlink_to(name)
        except OSError:
            pytest.skip("this system has no links")
    expected = ["photos/a.PNG", "photos/b.jpg", "photos/circle.jpg"]
    assert names("photos") == expected
    assert names("photos", recursive=True)[:3] == expected


def test_patterns_do_not_follow_links_that_lead_back(photos):
    """`glob` lists each photo 41 times where there is one such link, and has no end with five."""
    for number in range(5):
        try:
            Path("photos", "in", f"up{number}").symlink_to("..", target_is_directory=True)
        except OSError:
            pytest.skip("this system has no links")
    expected = ["photos/b.jpg", "photos/in/c.jpg"]
    assert names("photos/**/*.jpg") == expected
    assert names("**/*.jpg") == expected
    assert names("photos/in/up0/b.jpg") == ["photos/in/up0/b.jpg"]  # what is named is followed


def test_overlays_of_the_longest_names_can_be_written(photos):
    for letter in "ab":
        Path("photos", "é" * 120 + letter + ".jpg").write_bytes(b"")
    targets = overlay_paths(Path("photos"), find_sources(["photos"], False))
    for target in targets:
        target.write_bytes(b"")
    assert len(set(targets)) == 4
