"""What is said of addresses: never the secrets in them, whatever command is given one."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from edgeface import DEMO_PHOTO, InvalidInputError, read_image
from edgeface.addresses import local_name, text_without_secrets, without_secrets
from edgeface.cli import main
from edgeface.cli.sources import find_sources
from edgeface.corpora import Store
from edgeface.output import refuse_inputs
from edgeface.video.source import address_of

SECRET = "s3cret"
PHOTO = f"http://me:{SECRET}@127.0.0.1:1/x.jpg?token={SECRET}"
VIDEO = f"http://{SECRET}@127.0.0.1:1/x.mp4?a=1&sig={SECRET}#{SECRET}"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://x.example/a.jpg", "https://x.example/a.jpg"),
        ("https://x.example/a.jpg?", "https://x.example/a.jpg?"),
        ("HTTPS://x.example?k=1 2/3@4", "HTTPS://x.example?***"),
        ("rtsp://10.0.0.9/door#k", "rtsp://10.0.0.9/door#***"),
        ("https://token@x.example/a@b", "https://***@x.example/a@b"),
        ("https://me:a:b@c@x.example/", "https://me:***@x.example/"),
        ("http:/me:pw@x.example/a?k", "http:/me:***@x.example/a?***"),
        ("photos/what?#1.jpg", "photos/what?#1.jpg"),
        ("C:/photos/#1.jpg", "C:/photos/#1.jpg"),
        ("camera:0", "camera:0"),
    ],
)
def test_an_address_is_shown_without_its_secrets(address, shown):
    assert without_secrets(address) == shown
    assert without_secrets(shown) == shown


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("file:///a/b%20c%C3%A9.jpg", "/a/b cé.jpg"),
        ("FILE://localhost/a?b#c", "/a?b#c"),
        ("file:/a/%FF", "/a/\udcff"),
        ("file://host/a", "file://host/a"),
        ("file:a", "file:a"),
    ],
)
def test_files_have_addresses_too(name, path):
    assert local_name(name) == path


def test_the_address_of_a_file_means_the_same_everywhere(tmp_path):
    photo = tmp_path / "a b.jpg"
    shutil.copy(DEMO_PHOTO, photo)
    address = photo.as_uri()
    np.testing.assert_array_equal(read_image(address), read_image(photo))
    (source,) = find_sources([address], False)
    assert (source.name, source.image) == (str(photo), photo)
    (source,) = find_sources([tmp_path.as_uri()], False)
    assert source.image == photo
    assert [*Store(tmp_path.as_uri()).names()] == ["a b.jpg"]
    assert address_of(address) == address_of(photo)
    with pytest.raises(InvalidInputError, match="is the input"):
        refuse_inputs(photo, [address])
    for elsewhere in ("file://host/a.jpg", "file://a.jpg"):
        with pytest.raises(InvalidInputError, match="no such image"):
            read_image(elsewhere)
        with pytest.raises(InvalidInputError, match="no such video"):
            address_of(elsewhere)


def test_addresses_in_a_text_are_found():
    text = "cannot read s3://k:pw@b/a?x=1: 'http:/u@h/b#2', (https://h/c?d)"
    shown = "cannot read s3://k:***@b/a?***: 'http:/***@h/b#***', (https://h/c?***)"
    assert text_without_secrets(text) == shown
    assert text_without_secrets(shown) == shown


@pytest.mark.parametrize(
    "command",
    [
        ["run", PHOTO],
        ["run", PHOTO, "--format", "json"],
        ["run", PHOTO, "--save", "faces.csv", "--out", "overlays"],
        ["run", PHOTO, "--engine", "plain", "--save", "faces"],
        ["run", "demo", "--model", PHOTO],
        ["track", VIDEO, "--record", "take.jsonl"],
        ["track", VIDEO, "--take", "take"],
        ["track", "demo.mp4", "--character", PHOTO],
        ["demo", VIDEO, "--no-browser", "--port", "0"],
        ["personalise", VIDEO, "--out", "me.efp"],
        ["calibrate", VIDEO, "me.json"],
        ["info", PHOTO],
        ["verify", PHOTO, PHOTO],
    ],
    ids=lambda command: " ".join(word for word in command if "://" not in word),
)
def test_no_command_tells_a_secret(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(command) == 1
    said = "".join(capsys.readouterr())
    assert "127.0.0.1:1/x" in said or "demo.mp4" in said
    assert SECRET not in said
    for path in Path().rglob("*"):
        assert SECRET not in str(path)
        assert path.is_dir() or SECRET.encode() not in path.read_bytes()
