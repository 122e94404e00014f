import json

import numpy as np
import pytest

from edgeface import InvalidInputError
from edgeface.blendshapes import mirrored_name
from edgeface.gaze import LOOKS, eye_looks
from edgeface.retarget import (
    ARKIT_NAMES,
    ExportOptions,
    LiveLinkSender,
    Mapping,
    PersonRange,
    Retargeter,
    Source,
    VmcSender,
    calibrate,
    derive,
    export,
    read_mapping,
    write_gltf,
    write_livelink,
)
from edgeface.rotations import angle_between

NO_TURN = np.array([1.0, 0, 0, 0])


def turn(axis, degrees):
    half = np.deg2rad(degrees) / 2
    return np.array([np.cos(half), *(np.sin(half) * np.eye(3)["xyz".index(axis)])])


def test_without_a_mapping_arkit_goes_through():
    seen = dict.fromkeys(ARKIT_NAMES, 0.4)
    shapes, head = Retargeter()(seen, turn("y", 20))
    assert tuple(shapes) == ARKIT_NAMES
    assert shapes == pytest.approx(seen)
    assert angle_between(head, turn("y", 20)) < 1e-9


def test_what_is_not_seen_moves_nothing():
    """Neither as 0, which would be a measurement, nor as what a character's shape is made of."""
    seen = {"jawOpen": 0.4, "tongueOut": np.nan}
    shapes, _ = Retargeter()(seen, NO_TURN)
    assert shapes == {"jawOpen": 0.4}
    mapping = Mapping({"A": {"jawOpen": 1, "tongueOut": 1}, "Bleh": {"tongueOut": 1}})
    assert Retargeter(mapping)(seen, NO_TURN)[0] == {"A": 0.4}
    assert calibrate([seen], NO_TURN[None]).rest == {"jawOpen": 0.4}


def test_bones_share_the_turn():
    retarget = Retargeter(Mapping(shares={"head": 0.6, "neck": 0.3, "spine": 0.1}))
    turns = retarget.bone_turns(turn("y", 40))
    assert list(turns) == ["head", "neck", "spine"]
    for bone, degrees in (("head", 24), ("neck", 12), ("spine", 4)):
        assert angle_between(turns[bone], turn("y", degrees)) < 1e-9
    without = retarget.bone_turns(np.stack([turn("x", 10), turn("x", 20)]), ("head", "neck"))
    assert angle_between(without["neck"][1], turn("x", 20 / 3)) < 1e-9
    assert retarget.bone_turns(NO_TURN, ()) == {}


def test_arkit_names_are_all_there_once():
    assert len(set(ARKIT_NAMES)) == 52
    assert all(mirrored_name(mirrored_name(n)) == n for n in ARKIT_NAMES)
    assert {mirrored_name(n) for n in ARKIT_NAMES} == set(ARKIT_NAMES)


def test_weights_gains_and_dead_zones():
    mapping = Mapping(
        targets={"A": {"jawOpen": 0.5, "mouthFunnel": -1.0}, "B": {"jawOpen": 3.0}},
        sources={"jawOpen": Source(gain=1.5, dead_zone=0.2)},
    )
    shapes, _ = Retargeter(mapping)({"jawOpen": 0.6, "mouthFunnel": 0.1}, NO_TURN)
    jaw = 1.5 * (0.6 - 0.2) / 0.8
    assert shapes == {"A": pytest.approx(0.5 * jaw - 0.1), "B": 1.0}
    shapes, _ = Retargeter(mapping)({"jawOpen": 0.2}, NO_TURN)
    assert shapes == {"A": 0.0, "B": 0.0}


def test_mirroring_swaps_sides_of_shapes_and_head():
    retarget = Retargeter(Mapping(mirror=True))
    shapes, head = retarget({"mouthSmileLeft": 0.7, "jawRight": 0.2, "jawOpen": 0.1}, turn("y", 30))
    moved = {n: v for n, v in shapes.items() if v}
    assert moved == {"mouthSmileRight": 0.7, "jawLeft": 0.2, "jawOpen": 0.1}
    assert angle_between(head, turn("y", -30)) < 1e-9
    for axis, sign in (("x", 1), ("z", -1)):
        _, head = retarget({}, turn(axis, 30))
        assert angle_between(head, turn(axis, sign * 30)) < 1e-9


@pytest.mark.parametrize("length", [0.5, 1.02, 3.0])
def test_quaternions_of_another_length_are_the_same_rotation(length):
    turn = np.array([np.cos(0.3), 0.0, np.sin(0.3), 0.0])
    _, head = Retargeter()({}, turn * length)
    np.testing.assert_allclose(head, turn, atol=1e-12)


def test_head_gain_scales_the_angle():
    _, head = Retargeter(Mapping(head_gain=0.5))({}, turn("z", 40))
    assert angle_between(head, turn("z", 20)) < 1e-9
    _, head = Retargeter(Mapping(head_gain=0.0))({}, turn("z", 40))
    assert angle_between(head, NO_TURN) < 1e-9


def test_a_calibrated_neutral_face_rests_and_the_full_range_stays():
    neutral = [{"mouthFrownLeft": v, "jawOpen": 0.05} for v in (0.2, 0.3, 0.9)]
    rest = calibrate(neutral, np.stack([turn("x", 8), turn("x", 10), turn("x", 12)]))
    retarget = Retargeter(person=rest)
    shapes, head = retarget(neutral[1], turn("x", 10))
    assert max(shapes.values()) == pytest.approx(0)
    assert angle_between(head, NO_TURN) < 1e-6
    shapes, head = retarget({"mouthFrownLeft": 1.0}, turn("x", -10))
    assert shapes["mouthFrownLeft"] == pytest.approx(1)
    assert angle_between(head, turn("x", -20)) < 1e-6
    with pytest.raises(InvalidInputError, match="at least one frame"):
        calibrate([], np.zeros((0, 4)))


def write(path, **values):
    path.write_text(json.dumps({"format": "edgeface-mapping", "version": [1, 0], **values}))
    return path


def test_mapping_files_are_read(tmp_path):
    path = write(
        tmp_path / "map.json", mirror=True, head={"bone": "J_Head", "gain": 0.8},
        sources={"jawOpen": {"dead_zone": 0.1}}, targets={"A": {"jawOpen": 1}},
    )  # fmt: skip
    mapping = read_mapping(path)
    assert mapping == Mapping(
        {"A": {"jawOpen": 1.0}}, {"jawOpen": Source(1.0, 0.1)}, True, 0.8, "J_Head"
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"targets": {"A": {"jawopen": 1}}}, "'jawopen' is unknown; did you mean 'jawOpen'"),
        ({"sources": {"zzz": {}}}, "'zzz' is unknown; known are eyeBlinkLeft"),
        ({"target": {}}, "did you mean 'targets'"),
        ({"targets": {"A": {"jawOpen": "much"}}}, r"targets\.A\.jawOpen must lie in"),
        ({"sources": {"jawOpen": {"gian": 2}}}, "gian"),
        ({"sources": {"jawOpen": {"dead_zone": 1.0}}}, "must lie in"),
        ({"head": {"shares": {"skull": 1}}}, "bone 'skull' is unknown"),
        ({"fit": {"A": {"jawopen": 1}}}, "did you mean 'jawOpen'"),
        ({"fit": {"A": {"jawOpen": 1}}, "targets": {"A": {"jawOpen": 1}}}, "'A' is both in"),
        ({"version": [2, 0]}, "this release reads 1.x"),
    ],
)
def test_bad_mapping_files_are_named(tmp_path, values, message):
    with pytest.raises(InvalidInputError, match=message):
        read_mapping(write(tmp_path / "map.json", **values))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Source(gain=np.nan),
        lambda: Source(dead_zone=1),
        lambda: Mapping(sources={"jawOpen": 1.5}),
        lambda: Mapping(sources={"jawopen": Source()}),
        lambda: Mapping(mirror="no"),
        lambda: Mapping(head_bone=5),
        lambda: Retargeter(derived="no"),
        lambda: ExportOptions(mirror=1),
        lambda: ExportOptions(derive=None),
        lambda: PersonRange(rest={"jawOpen": np.nan}),
        lambda: PersonRange(reach=None),
        lambda: PersonRange(quaternion_wxyz=(0, 0, 0, 0)),
        lambda: PersonRange(gaze_deg=(1, 2)),
    ],
)
def test_what_moves_no_character_is_refused_when_it_is_made(make):
    with pytest.raises(InvalidInputError):
        make()


@pytest.mark.parametrize(("text", "message"), [("{", "cannot read"), ("[]", "lacks 'format'")])
def test_what_is_no_mapping_file_is_named(tmp_path, text, message):
    path = tmp_path / "map.json"
    path.write_text(text)
    with pytest.raises(InvalidInputError, match=message):
        read_mapping(path)
    with pytest.raises(InvalidInputError, match="cannot read"):
        read_mapping(tmp_path / "absent.json")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Retargeter("arkit"), "mapping must be a Mapping, as read_mapping gives it"),
        (lambda: Retargeter(person="me.json"), "person must be a PersonRange, as read_range gives"),
        (lambda: Mapping({"A": {"jawsOpen": 1.0}}), "did you mean 'jawOpen'"),
        (lambda: Mapping({"A": {"jawOpen": "1"}}), r"A\.jawOpen must lie in"),
        (lambda: Mapping(head_gain=float("nan")), "head_gain must lie in"),
        (lambda: Retargeter().watch(float("nan"), {}), "time_s must lie in"),
        (lambda: Retargeter().watch(0.0, None), "blendshapes must be numbers by name"),
        (lambda: Retargeter().eyes_deg(None), "blendshapes must be numbers by name"),
        (lambda: derive(None), "blendshapes must be numbers by name"),
        (lambda: derive({"eyeSquintLeft": "x"}), "blendshapes must be numbers by name"),
        (lambda: Retargeter().bone_turns(np.zeros(4)), "head_wxyz must have length 1"),
        (lambda: Retargeter().bone_turns([1.0, 0.0]), "head_wxyz must have length 1"),
        (lambda: Retargeter().bone_turns(np.full(4, np.nan)), "head_wxyz must be finite"),
        (lambda: Mapping(shares={"jaw": 1.0}), "of the shares, the bone 'jaw' is unknown"),
        (lambda: VmcSender(retargeter="arkit"), "retargeter must be a Retargeter, got 'arkit'"),
        (lambda: LiveLinkSender(retargeter="arkit"), "retargeter must be a Retargeter"),
        (lambda: write_livelink("x.csv", "take.jsonl"), "performance must be a Performance"),
        (lambda: write_gltf("x.gltf", "head", None), r"read \.gltf as JSON: name it x\.glb"),
        (lambda: write_gltf("x.glb", "head", "take.jsonl"), "performance must be a Performance"),
        (lambda: write_gltf("x.glb", "head", None, "arkit"), "retargeter must be a Retargeter"),
        (lambda: export("take.jsonl", "x.glb", "gltf", None), "options must be an ExportOptions"),
        (lambda: ExportOptions(personal="me.efp"), "personal must be a PersonalModel"),
        (lambda: ExportOptions(track_id="1"), "track_id must be a whole number"),
        (lambda: ExportOptions(character=5), "the character must be a path"),
        (lambda: export("take.jsonl", "x.fbx", "fbx", ExportOptions()), "jsonl, livelink, gltf"),
        (lambda: export("take.jsonl", "x", "jsonl", ExportOptions()), "in .csv, .glb, .html"),
    ],
)
def test_what_moves_no_character_is_refused(call, message):
    with pytest.raises(InvalidInputError, match=message):
        call()


def test_no_turns_are_shared_between_bones():
    assert Retargeter().bone_turns(np.zeros((0, 4)))["head"].shape == (0, 4)


@pytest.mark.parametrize(("gain", "share"), [(0.5, 0.5), (0.0, 0.0), (1.0, 1.0)])
def test_sources_of_the_gaze_move_eyes_that_are_bones(gain, share):
    gaze = np.array([[8.0, 19.0], [-10.0, 19.0]])
    looks = dict(zip(LOOKS, eye_looks(gaze[None])[0].tolist(), strict=True))
    mapping = Mapping(sources={name: Source(gain=gain) for name in LOOKS})
    np.testing.assert_allclose(Retargeter(mapping).eyes_deg(looks), share * gaze, atol=1e-4)


def test_eyes_that_are_bones_turn_no_farther_than_shapes_do():
    looks = dict.fromkeys(LOOKS, 0.0) | {"eyeLookDownLeft": 0.8}
    mapping = Mapping(sources={"eyeLookDownLeft": Source(gain=5.0)})
    np.testing.assert_allclose(Retargeter(mapping).eyes_deg(looks), [[0, 0], [22, 0]], atol=1e-4)
