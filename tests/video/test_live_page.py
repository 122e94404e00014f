"""The live page in a headless Chromium, and what may be asked of it."""

import base64
import contextlib
import io
import json
import struct
import threading
import time
import urllib.error
import urllib.request
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from edgeface import InvalidInputError
from edgeface.retarget.head import head_glb
from edgeface.video.live import LiveView
from edgeface.video.reader import Frame
from edgeface.video.stage import Stage, mirrored
from tests.fakes import Person, Scene, frame_image
from tests.video.chromium import browser

BONES = ("hips", "spine", "leftUpperLeg", "leftLowerLeg", "leftFoot", "rightUpperLeg",
         "rightLowerLeg", "rightFoot", "leftUpperArm", "leftLowerArm", "leftHand", "rightUpperArm",
         "rightLowerArm", "rightHand")  # fmt: skip


def vrm():
    """The head that ships as a VRM 1.0: every bone that one must have, and expressions."""
    data = head_glb()
    (length,) = struct.unpack_from("<I", data, 12)
    document, binary = json.loads(data[20 : 20 + length]), data[20 + length :]
    nodes, names = document["nodes"], document["meshes"][0]["extras"]["targetNames"]
    first = len(nodes)
    nodes += [{"name": bone, "translation": [0.01 * i, 0, 0]} for i, bone in enumerate(BONES)]
    nodes[first]["children"] = [first + 1, *range(first + 2, len(nodes))]
    nodes[first + 1]["children"] = [0, 2]
    document["scenes"] = [{"nodes": [first]}]
    bones = {bone: {"node": first + i} for i, bone in enumerate(BONES)}
    bones |= {
        "neck": {"node": 0},
        "head": {"node": 1},
        "leftEye": {"node": 3},
        "rightEye": {"node": 4},
    }
    preset = {
        name: {"morphTargetBinds": [{"node": 2, "index": names.index(shape), "weight": 1.0}]}
        for name, shape in (("aa", "jawOpen"), ("happy", "mouthSmileLeft"),
                            ("blinkLeft", "eyeBlinkLeft"), ("blinkRight", "eyeBlinkRight"))
    }  # fmt: skip
    preset["lookLeft"] = {}  # as programs write it for eyes that turn as bones
    meta = {"name": "made", "authors": ["edgeface"],
            "licenseUrl": "https://vrm.dev/licenses/1.0/"}  # fmt: skip
    document["extensionsUsed"] = ["VRMC_vrm"]
    document["extensions"] = {
        "VRMC_vrm": {"specVersion": "1.0", "meta": meta, "humanoid": {"humanBones": bones},
                     "expressions": {"preset": preset}}
    }  # fmt: skip
    # without names of morph targets, expressions alone are there to be driven
    for mesh in document["meshes"]:
        mesh.pop("extras", None)
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    head = struct.pack("<IIIII", 0x46546C67, 2, 20 + len(text) + len(binary), len(text), 0x4E4F534A)
    return head + text + binary


@pytest.fixture
def network(face_model):
    people = [Person((30, 32), side=30), Person((70, 32), side=30, seed=1)]
    return Scene("mfn", face_model, people)


@pytest.fixture
def tracked(network):
    """A frame of two people who smile."""
    image = frame_image(0, (64, 96))
    faces = replace(network.run(image), track_ids=np.array([1, 2]))
    coefficients = np.zeros_like(faces.expression_coeffs)
    coefficients[:, list(faces.expression_names).index("mouthSmileLeft")] = 0.8
    return image, replace(faces, expression_coeffs=coefficients)


@pytest.fixture
def view(network, tracked):
    made, stop = LiveView(network, "a clip", 0, ["demo"]), threading.Event()
    made.faces = tracked[1]  # tests change them

    def play():
        number = 0
        while not stop.wait(0.05):
            number += 1
            made.show(Frame(number, number / 20, tracked[0]), made.faces)

    player = threading.Thread(target=play)
    player.start()
    yield made
    stop.set()
    player.join()
    made.close()


DROP = """(async () => {
  const bytes = await (await fetch("data:application/octet-stream;base64,%s")).arrayBuffer();
  const carried = new DataTransfer(), event = new DragEvent("drop", {cancelable: true});
  carried.items.add(new File([bytes], "%s"));
  Object.defineProperty(event, "dataTransfer", {value: carried});
  dispatchEvent(event);
})()"""


def drawn_people(page):
    """`drawn`, once somebody is: a busy machine draws a while after they have entered."""
    deadline = time.monotonic() + 60
    while (found := drawn(page))[0] <= 0.05:
        assert time.monotonic() < deadline, "nobody was drawn"
        time.sleep(0.1)
    return found


def drawn(page):
    """How much of the stage is not its ground, and the picture of the whole page."""
    shot = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB")).astype(int)
    stage = shot[120:-120, shot.shape[1] // 2 :]
    return (np.abs(stage - [0x1D, 0x20, 0x27]).max(axis=2) > 12).mean(), shot


def test_people_move_heads_and_what_is_dropped_is_driven(view, tmp_path):
    with browser(view.url, tmp_path) as page:
        page.wait_for("document.body.dataset.people === '2'")
        assert page.run("document.body.dataset.mapping") == "arkit"
        page.wait_for("document.querySelectorAll('#bars i').length === 8")
        _, shot = drawn_people(page)
        assert np.ptp(shot[120:300, : shot.shape[1] // 3]) > 50  # the picture of the source
        assert page.run("document.documentElement.scrollWidth <= innerWidth")

        page.run(DROP % (base64.b64encode(vrm()).decode(), "made.vrm"))
        page.wait_for("document.body.dataset.character === 'made.vrm'")
        page.wait_for("document.body.dataset.people === '2'")
        assert page.run("document.body.dataset.mapping") == "vrm1"
        drawn_people(page)

        page.run(DROP % (base64.b64encode(b"no glTF").decode(), "text.glb"))
        page.wait_for("document.body.dataset.refused === 'text.glb'")
        assert page.run("document.body.dataset.character") == "made.vrm"

        page.run("document.getElementById('mirror').click()")
        page.run("document.getElementById('record').click()")
        page.wait_for("document.body.dataset.take === '0'")
        begun = page.run("Number(document.body.dataset.time)")
        page.wait_for(f"Number(document.body.dataset.time) > {begun + 0.5}")
        page.run("document.getElementById('record').click()")
        page.wait_for("document.querySelectorAll('#take a').length === 3")
    assert view.stage.mirror
    with urllib.request.urlopen(view.url + "take.csv", timeout=10) as taken:
        assert taken.read().startswith(b"Timecode,BlendShapeCount,EyeBlinkLeft")


CHANGE = """(() => {
  const input = document.getElementById("%s");
  input.value = "%s";
  for (const kind of ["input", "change"]) input.dispatchEvent(new Event(kind));
})()"""


def settled(page):
    """The stage once it does not change any more."""
    shots = [None, drawn_people(page)[1]]
    while shots[0] is None or (shots[0] != shots[1]).any():
        time.sleep(0.3)
        shots = [shots[1], drawn(page)[1]]
    return shots[1][120:-120, shots[1].shape[1] // 2 :]


def test_each_control_does_what_it_says(view, tmp_path):
    with browser(view.url, tmp_path) as page:
        page.wait_for("document.body.dataset.people === '2'")
        smile = settled(page)

        page.run(CHANGE % ("reach", "0.5"))
        assert page.run("document.getElementById('reached').textContent") == "0.50"
        less = settled(page)
        assert (less != smile).any()
        page.run(CHANGE % ("smoothing", "0.9"))
        page.run(CHANGE % ("reach", "1"))
        between = drawn(page)[1]
        assert (settled(page) == smile).mean() > 0.99  # later, but in the end the same
        assert (between[120:-120, between.shape[1] // 2 :] != smile).any()
        page.run(CHANGE % ("smoothing", "0"))

        gaze = np.full((2, 2, 2), [0.0, 30.0], np.float32)
        view.faces = replace(view.faces, gaze_deg=gaze)
        assert (settled(page) != smile).any()
        page.run(DROP % (base64.b64encode(vrm()).decode(), "made.vrm"))
        page.wait_for("document.body.dataset.character === 'made.vrm'")
        page.wait_for("document.body.dataset.people === '2'")
        aside = settled(page)
        view.faces = replace(view.faces, gaze_deg=-gaze)
        assert (settled(page) != aside).any()  # its eyes are bones

        page.run("document.getElementById('reset').click()")
        page.wait_for("document.body.dataset.character === 'head.glb'")
        assert page.run("document.getElementById('reset').hidden")
        page.run(CHANGE % ("source", "demo"))
        for _ in range(2):
            page.run("document.getElementById('record').click()")
            page.run("new Promise((done) => setTimeout(done, 500))")
        page.wait_for("document.querySelectorAll('#take a').length === 3")
        fetched = """Promise.all([...document.querySelectorAll("#take a")].map(
          async (link) => (await (await fetch(link.href)).arrayBuffer()).byteLength))"""
        assert min(page.run(fetched)) > 1000
    assert view.stage.source == "demo"


@pytest.mark.parametrize("size", [(390, 844), (844, 390)])
def test_all_of_the_page_is_on_the_screen(view, tmp_path, size):
    with browser("about:blank", tmp_path, size) as page:
        page.do("Emulation.setDeviceMetricsOverride", width=size[0], height=size[1],
                deviceScaleFactor=1, mobile=size[0] < 500)  # fmt: skip
        page.do("Page.navigate", url=view.url)
        page.wait_for("document.body.dataset.people === '2'")
        page.wait_for("document.querySelectorAll('#bars i').length === 8")
        hidden = page.run("""(() => {
          const out = [];
          const all = document.querySelectorAll("select, button, input, canvas, #video, #bars *");
          for (const part of all) {
            const {width, left, right, bottom} = part.getBoundingClientRect();
            if (width && (left < 0 || right > innerWidth + 1 || bottom > innerHeight + 1))
              out.push(part.id || part.tagName);
          }
          const bars = document.getElementById("bars");
          if (bars.scrollHeight > bars.clientHeight + 1) out.push("bars are cut");
          if (document.documentElement.scrollWidth > innerWidth) out.push("the page is too wide");
          return out;
        })()""")
        assert hidden == []
        assert page.run("document.getElementById('stage').clientHeight") > 150


def post(view, action, body):
    request = urllib.request.Request(view.url + action, json.dumps(body).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())


def test_only_its_own_page_may_ask(view):
    assert post(view, "mirror", {"on": True}) == {"on": True}
    for action, body, status in (("mirror", {"on": 1}, 400), ("mirror", [], 400),
                                 ("source", {"name": "/etc/passwd"}, 400),
                                 ("nothing", {}, 404)):  # fmt: skip
        with pytest.raises(urllib.error.HTTPError, match=str(status)):
            post(view, action, body)
    request = urllib.request.Request(view.url + "mirror", b"{}", {"Origin": "http://evil.example"})
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request, timeout=10)


@pytest.fixture
def stage(network):
    made = Stage(network, "a clip", ["a clip", "camera:0"])
    yield made
    made.close()


def test_a_character_is_driven_by_what_it_has(stage, tracked):
    asked = {"name": "x.glb", "kind": "glTF", "own": False,
             "nodes": ["Armature", "", "mixamorig:Head"],
             "shapes": ["mouthSmile_L", "jawOpen", "tail"]}  # fmt: skip
    plan = stage.ask("character", asked)
    assert (plan["mapping"], plan["still"]) == ("arkit", ["tail"])
    assert plan["bones"] == {"head": 2}
    row = stage.rows(0.0, tracked[1])[0]
    assert row["shapes"]["mouthSmile_L"] == pytest.approx(0.8, abs=1e-3)
    assert set(row["bones"]) == {"head"}
    with pytest.raises(InvalidInputError, match="no kind that is known"):
        stage.ask("character", asked | {"shapes": ["tail"]})


def test_each_page_has_a_character_of_its_own(stage, tracked):
    asked = {"name": "x.glb", "kind": "glTF", "own": False}
    stage.ask("character", asked | {"page": "a", "nodes": ["Head"], "shapes": ["mouthSmile_L"]})
    stage.ask("character", asked | {"page": "b", "nodes": [], "shapes": ["jawOpen"]})
    for on in (False, True):
        stage.ask("mirror", {"on": on})
        first, second = (stage.rows(0.0, tracked[1], page)[0] for page in "ab")
        assert (first["shapes"].keys(), first["bones"].keys()) == ({"mouthSmile_L"}, {"head"})
        assert (second["shapes"].keys(), second["bones"].keys()) == ({"jawOpen"}, set())
    for number in range(100):  # of pages that are long gone, nothing is kept
        stage.rows(0.0, tracked[1], f"page {number}")
        stage.rows(0.0, tracked[1], "b")
    assert len(stage.rows(0.0, tracked[1], "a")[0]["shapes"]) > 1
    assert len(stage.rows(0.0, tracked[1], "b")[0]["shapes"]) == 1


def test_in_a_mirror_eyes_look_to_the_other_side(stage, tracked):
    asked = {"name": "head.glb", "kind": "glTF", "own": True, "shapes": ["jawOpen"],
             "nodes": ["Neck", "Head", "LeftEye", "RightEye"]}  # fmt: skip
    stage.ask("character", asked)
    gaze = np.tile([[4.0, 20.0], [3.0, 10.0]], (len(tracked[1]), 1, 1))
    faces = replace(tracked[1], gaze_deg=gaze)
    straight = stage.rows(0.0, faces)[0]["bones"]
    assert straight["rightEye"][2] == pytest.approx(np.sin(np.deg2rad(10)), abs=2e-3)
    stage.ask("mirror", {"on": True})
    mirrored_bones = stage.rows(0.0, faces)[0]["bones"]
    assert mirrored_bones["leftEye"][2] == pytest.approx(-straight["rightEye"][2], abs=1e-4)
    assert mirrored_bones["leftEye"][1] == pytest.approx(straight["rightEye"][1], abs=1e-4)


def test_a_mirrored_picture_has_its_faces_where_they_are(tracked):
    image, faces = tracked
    turned, there = mirrored(image, faces)
    np.testing.assert_array_equal(turned, image[:, ::-1])
    np.testing.assert_allclose(
        there.boxes_xyxy[:, [0, 2]], image.shape[1] - faces.boxes_xyxy[:, [2, 0]]
    )
    looking = replace(faces, gaze_deg=np.tile([[[4.0, 9.0], [3.0, 5.0]]], (len(faces), 1, 1)))
    seen = mirrored(image, looking)[1].iris_centres
    flipped = looking.iris_centres[:, ::-1] * [-1, 1] + [image.shape[1], 0]
    np.testing.assert_allclose(seen, flipped, atol=1e-2)
    again = mirrored(turned, there)[1]
    np.testing.assert_allclose(again.landmarks_3d, faces.landmarks_3d, atol=1e-4)
    np.testing.assert_allclose(again.rotation, faces.rotation, atol=1e-6)


def test_a_take_is_kept_between_start_and_stop(stage, tracked):
    image, faces = tracked
    stage.record(0, 0.0, image.shape[:2], faces)
    assert stage.take_file("take.jsonl") is None
    stage.ask("take", {"on": True})
    for k in range(3):
        stage.record(k, k / 30, image.shape[:2], faces)
    assert stage.take_file("take.jsonl") is None
    assert stage.ask("take", {"on": False}) == {"on": False, "frames": 3}
    assert len(stage.take_file("take.jsonl").splitlines()) == 4
    assert stage.take_file("take.glb").startswith(b"glTF")
    assert stage.take_file("other.csv") is None


def test_the_page_goes_on_while_a_take_is_handed_out(stage, tracked, monkeypatch):
    image, faces = tracked
    stage.ask("take", {"on": True})
    stage.record(0, 0.0, image.shape[:2], faces)
    stage.ask("take", {"on": False})

    def slow_export(_source, made, *_):
        asked = threading.Thread(target=stage.ask, args=("take", {"on": True}), daemon=True)
        asked.start()
        asked.join(5)
        made.write_bytes(b"the page waits" if asked.is_alive() else b"done")

    monkeypatch.setattr("edgeface.video.stage.export", slow_export)
    assert stage.take_file("take.glb") == b"done"


def test_a_source_is_chosen_by_a_name_without_secrets(face_model):
    camera = "rtsp://me:s3cret@10.0.0.9/door?token=s3cret"
    with contextlib.closing(Stage(Scene("mfn", face_model, []), "demo", ["demo", camera])) as stage:
        assert [*stage.sources] == ["demo", "rtsp://me:***@10.0.0.9/door?***"]
        told = stage.ask("source", {"name": "rtsp://me:***@10.0.0.9/door?***"})
        assert told == {"name": "rtsp://me:***@10.0.0.9/door?***"}
        assert stage.source == camera
