"""The page of a take: one file, which is read back, and shown by a headless Chromium."""

import base64
import gzip
import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from edgeface import InvalidInputError
from edgeface.blendshapes import ARKIT_NAMES
from edgeface.personal.glb import person_glb
from edgeface.recording import Performance, Recording
from edgeface.retarget import ExportOptions
from edgeface.retarget.gltf_parts import read_parts
from edgeface.retarget.head import head_glb
from edgeface.retarget.viewer import LIVE, PLACE, VIEWER, export_viewer
from tests.personal.conftest import somebody  # noqa: F401
from tests.video.chromium import browser

REST = dict.fromkeys(ARKIT_NAMES[:46], 0.0)
POSES = ({}, {"jawOpen": 1.0}, {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0})
NUM_EACH, FPS = 10, 25
TURN = (np.cos(0.2), 0.0, np.sin(0.2), 0.0)
"""Of the head in the last pose: to its left."""


def performance(track_id, num_frames):
    shapes = [REST | POSES[i // NUM_EACH] for i in range(num_frames)]
    turned = np.arange(num_frames)[:, None] >= 2 * NUM_EACH
    return Performance(
        track_id=track_id,
        times_s=np.arange(num_frames) / FPS,
        frames=np.arange(num_frames),
        quaternions_wxyz=np.where(turned, TURN, (1.0, 0.0, 0.0, 0.0)),
        expression_coeffs=np.zeros((num_frames, 46)),
        identity_coeffs=np.zeros(50),
        blendshapes=shapes,
    )


@pytest.fixture
def recording():
    """Two people, and one who passes by."""
    people = {n: performance(n, count) for n, count in ((1, 30), (2, 14), (3, 3))}
    return Recording({"source": "</script>clip.mp4", "fps": 25.0, "timecode": None}, people, 30)


def data_of(path):
    return json.loads(re.search(r'application/json">(.*?)</script>', path.read_text(), re.S)[1])


def array(text, dtype):
    return np.frombuffer(base64.b64decode(text), dtype)


def test_it_holds_everything_it_needs(tmp_path, recording):
    export_viewer(tmp_path / "take.html", recording, ExportOptions())
    page = (tmp_path / "take.html").read_text()
    assert not re.findall(r"<[^>]+\b(?:src|href)=\"(?!data:)", page)
    assert "http" not in page
    assert page.count("</script>") == VIEWER.read_text().count("</script>")
    assert VIEWER.read_text().count(PLACE) == 1
    data = data_of(tmp_path / "take.html")
    assert data["source"] == "script>clip.mp4"
    assert data["duration"] == pytest.approx(29 / FPS)
    assert "MIT License" in data["licences"]
    parts = {name: gzip.decompress(base64.b64decode(text)) for name, text in data["parts"].items()}
    assert parts["head.glb"] == head_glb()
    assert parts["puppet.js"] == (LIVE / "puppet.js").read_bytes()
    assert len(page) < 2.4e6


def test_everybody_moves_as_they_did(tmp_path, recording):
    export_viewer(tmp_path / "take.html", recording, ExportOptions(mirror=True))
    data = data_of(tmp_path / "take.html")
    assert [p["id"] for p in data["people"]] == [1, 2]  # who is seen in most frames is first
    first = data["people"][0]
    weights = array(first["weights"], "u1").reshape(30, -1)
    jaw = weights[:, data["names"].index("jawOpen")]
    assert jaw.tolist() == [255 * (i // NUM_EACH == 1) for i in range(30)]
    head = array(first["quaternions"], "<f4").reshape(30, 4)
    np.testing.assert_allclose(head[-1], TURN * np.array([1, 1, -1, -1]), atol=1e-6)
    turns = {bone: array(rows, "<f4").reshape(30, 4) for bone, rows in first["turns"].items()}
    assert data["bones"].keys() == turns.keys() == {"head", "neck", "leftEye", "rightEye"}
    assert [*turns] == ["head", "neck", "rightEye", "leftEye"]  # the same in every page
    shared = [2 * np.arctan2(turns[bone][-1, 2], turns[bone][-1, 0]) for bone in ("head", "neck")]
    assert sum(shared) == pytest.approx(-0.4)
    assert shared[0] == pytest.approx(2 * shared[1])  # 0.6 and 0.3


def test_one_person_is_shown_if_they_are_named(tmp_path, recording):
    page = tmp_path / "take.html"
    for track_id in (2, 3):  # the last has few frames
        export_viewer(page, recording, ExportOptions(track_id=track_id))
        assert [person["id"] for person in data_of(page)["people"]] == [track_id]
    with pytest.raises(InvalidInputError, match="nobody has the track id 7; the ids are 1, 2, 3"):
        export_viewer(page, recording, ExportOptions(track_id=7))


def test_a_take_of_few_frames_is_shown(tmp_path, recording):
    short = Recording(recording.header, {1: performance(1, 1), 2: performance(2, 3)}, 3)
    export_viewer(tmp_path / "take.html", short, ExportOptions())
    assert [person["id"] for person in data_of(tmp_path / "take.html")["people"]] == [2, 1]


def test_a_person_has_their_own_head(tmp_path, recording, somebody):  # noqa: F811
    export_viewer(tmp_path / "take.html", recording, ExportOptions(personal=somebody))
    data = data_of(tmp_path / "take.html")
    glb = gzip.decompress(base64.b64decode(data["parts"]["head.glb"]))
    assert glb == person_glb(somebody)
    (node,) = (i for i, node in enumerate(read_parts(glb)[0]["nodes"]) if node["name"] == "head")
    assert data["bones"] == {"head": node}
    assert data["people"][0]["turns"].keys() == {"head"}


def test_the_whole_head_is_drawn_and_moves(tmp_path, recording):
    late = recording.performances[2]
    recording.performances[2] = replace(late, times_s=late.times_s + 0.4)
    export_viewer(tmp_path / "take.html", recording, ExportOptions())
    shots = []
    with browser((tmp_path / "take.html").as_uri(), tmp_path) as page:
        page.wait_for("document.body.dataset.drawn")
        assert page.run("document.documentElement.scrollWidth <= innerWidth")
        for time_s in (0.1, 0.6, 1.1):
            page.run(f"now = {time_s}; show()")
            page.wait_for(f"document.body.dataset.drawn === '{time_s}'")
            shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
            shots.append(np.asarray(shot).astype(int)[60:-120, :500])
        assert page.run("document.getElementById('message').textContent") == ""
        said = [
            page.run(
                f"current = 2; now = {t}; show(); document.getElementById('message').textContent"
            )
            for t in (0.0, 0.4, 0.95, 1.1)
        ]
        assert said == ["not seen before 0.40 s", "", "", "not seen after 0.96 s"]
    rest, jaw, blink = shots
    head = np.abs(rest - [0x1D, 0x20, 0x27]).max(axis=2) > 12
    high, wide = (np.ptp(np.flatnonzero(head.any(axis=axis))) for axis in (1, 0))
    assert high > 0.7 * len(rest)  # from hair to shoulders
    assert 0.6 * high < wide < 0.8 * high
    moved = np.abs(jaw - rest).max(axis=2) > 30
    rows = np.flatnonzero(head.any(axis=1))
    assert np.nonzero(moved)[0].mean() > rows.mean()  # mouth and chin
    assert moved[: rows[0] + high // 6].sum() == 0
    assert (np.abs(blink - rest).max(axis=2) > 30).sum() > moved.sum()  # the head turns, too
