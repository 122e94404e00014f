"""The page for who comes from other software: every line of its right column runs."""

import ast
import asyncio
import inspect
import re
import shlex
import warnings
from pathlib import Path

import pytest

import edgeface
from edgeface.cli import COMMANDS, make_parser

PAGE = Path(__file__).parents[1] / "docs/how-to/coming-from.md"
ROW = re.compile(r"^\| .+? \| (.+) \|$", re.MULTILINE)
NEEDS_A_CLIP = "open_video("


def lines_of(section):
    """The code of the right column, without bare names and fragments."""
    spans = re.findall(r"`([^`]+)`", " ".join(ROW.findall(section)))
    return [s for s in spans if not s.isidentifier() and not s.startswith((".", "-", NEEDS_A_CLIP))]


def sections():
    if not PAGE.is_file():
        return {}
    _, *parts = re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)
    return {part.partition("\n")[0]: part for part in parts}


def test_six_peers_are_answered():
    if not PAGE.is_file():
        pytest.skip("needs the source tree")
    assert list(sections()) == ["MediaPipe", "InsightFace", "3DDFA", "OpenSeeFace", "Ultralytics",
                                "supervision"]  # fmt: skip
    assert all(len(lines_of(part)) >= 9 for part in sections().values())


@pytest.mark.parametrize("peer", sections())
def test_lines_of_the_page_run(peer, tmp_path, monkeypatch):
    pytest.importorskip("pandas", reason="needs the extra: edgeface[tables]")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of supervision, where OpenCV is not installed
        sv = pytest.importorskip("supervision", reason="needs the extra: edgeface[supervision]")
    from PIL import Image

    from edgeface.chips import five_points

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Image.Image, "show", lambda _: None)
    model, image = edgeface.load("mfn"), edgeface.read_image(edgeface.DEMO_PHOTO)
    names = {
        "edgeface": edgeface, "sv": sv, "Path": Path, "five_points": five_points, "model": model,
        "image": image, "bgr": image[:, :, ::-1], "path": str(edgeface.DEMO_PHOTO),
        "faces": model.run(image),
    }  # fmt: skip
    parser = make_parser(COMMANDS)
    for line in lines_of(sections()[peer]):
        if line.startswith("edgeface "):
            parser.parse_args(shlex.split(line)[1:])
            continue
        code = compile(line, line, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        result = eval(code, names)
        if inspect.iscoroutine(result):
            asyncio.run(result)
