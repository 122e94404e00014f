"""What is said of addresses: never the secrets in them, whatever command is given one."""

from pathlib import Path

import pytest

from edgeface.addresses import text_without_secrets, without_secrets
from edgeface.cli import main

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
