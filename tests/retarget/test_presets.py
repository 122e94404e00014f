"""Each mapping that ships moves a character that was made for it."""

from dataclasses import replace

import numpy as np
import pytest

from edgeface import InvalidInputError
from edgeface.blendshapes import mirrored_name
from edgeface.retarget import ARKIT_NAMES, ExportOptions, Retargeter, read_mapping, write_gltf
from edgeface.retarget.character import find_shape, find_shapes, named_bones, read_character
from edgeface.retarget.mapping import preset_names
from tests.retarget.test_formats import read_accessor

pygltflib = pytest.importorskip("pygltflib")

VOWELS = ["A", "I", "U", "E", "O"]
VRM_0_NAMES = ["Neutral", *VOWELS, "Blink", "Blink_L", "Blink_R", "Joy", "Angry", "Sorrow", "Fun"]
VRM_1_NAMES = ["aa", "ih", "ou", "ee", "oh", "blink", "blinkLeft", "blinkRight", "happy", "angry",
               "sad", "relaxed", "surprised", "neutral"]  # fmt: skip
VROID_NAMES = [
    "Face.M_F00_000_00_Fcl_" + name
    for name in ("ALL_Neutral", "ALL_Joy", "BRW_Angry", "BRW_Surprised", "BRW_Sorrow",
                 "EYE_Close", "EYE_Close_L", "EYE_Close_R", "EYE_Spread", "MTH_Angry", "MTH_Fun",
                 "MTH_Up", *(f"MTH_{v}" for v in VOWELS))
]  # fmt: skip


def vrm_0(names):
    """Clips that each move a morph target of another name; binds are in per cent, by mesh."""
    groups = [
        {"name": f"clip {n}", "presetName": n.lower(),
         "binds": [{"mesh": 0, "index": i, "weight": 50}]}
        for i, n in enumerate(names)
    ]  # fmt: skip
    bones = [{"bone": "neck", "node": 1}, {"bone": "head", "node": 2}]
    return {"VRM": {"blendShapeMaster": {"blendShapeGroups": groups},
                    "humanoid": {"humanBones": bones}}}  # fmt: skip


def vrm_1(names):
    preset = {
        n: {"morphTargetBinds": [{"node": 3, "index": i, "weight": 0.5}]}
        for i, n in enumerate(names)
    }
    bones = {"neck": {"node": 1}, "head": {"node": 2}}
    return {"VRMC_vrm": {"expressions": {"preset": preset}, "humanoid": {"humanBones": bones}}}


def targets_of(name):
    mapping = read_mapping(name)
    return [*mapping.recipes, *mapping.signs]


CHARACTERS = {
    "vrm0": ([f"m{i}" for i in range(13)], vrm_0(VRM_0_NAMES)),
    "vrm1": ([f"m{i}" for i in range(14)], vrm_1(VRM_1_NAMES)),
    "vroid": (VROID_NAMES, None),
    "arkit": ([f"blendShape1.{n}" for n in ARKIT_NAMES], None),
    "readyplayerme": (targets_of("readyplayerme"), None),
    "oculus": (targets_of("oculus"), None),
    "metahuman": (["head_lod0_mesh__" + n for n in targets_of("metahuman")], None),
    "reallusion": (targets_of("reallusion"), None),
}
# a pose of the face, and the shape of the character that alone should show it
SHOWN = {
    "vrm0": [("eyeBlinkLeft", "Blink_L"), ("aa", "A"), ("oo", "U"), ("smile", "Joy")],
    "vrm1": [("eyeBlinkLeft", "blinkLeft"), ("aa", "aa"), ("oo", "ou"), ("smile", "happy")],
    "vroid": [("eyeBlinkRight", "EYE_Close_R"), ("aa", "MTH_A"), ("smile", "MTH_Fun")],
    "arkit": [("jawOpen", "blendShape1.jawOpen"), ("eyeLookInLeft", "blendShape1.eyeLookInLeft")],
    "readyplayerme": [("mouthPucker", "mouthPucker")],
    "oculus": [("aa", "viseme_aa"), ("oo", "viseme_U"), ("smile", "mouthSmile")],
    "metahuman": [("jawForward", "CTRL_expressions_jawFwd"),
                  ("eyeLookInRight", "CTRL_expressions_eyeLookLeftR"),
                  ("mouthSmileLeft", "CTRL_expressions_mouthCornerPullL")],
    "reallusion": [("eyeLookOutRight", "Eye_R_Look_R"), ("browDownLeft", "Brow_Drop_L"),
                   ("jawOpen", "Jaw_Open")],
}  # fmt: skip
POSES = {
    "aa": read_mapping("vrm0").fit["A"],
    "oo": read_mapping("vrm0").fit["U"],
    "smile": read_mapping("vrm0").fit["Joy"],
}


@pytest.fixture
def character(make_character):
    def make(name):
        targets, extensions = CHARACTERS[name]
        return make_character(targets, extensions=extensions, names_at="primitive")

    return make


def test_every_mapping_that_ships_has_its_character():
    assert set(CHARACTERS) == set(SHOWN) == set(preset_names())


@pytest.mark.parametrize("name", CHARACTERS)
def test_a_character_gets_the_mapping_made_for_it(character, name):
    chosen, mapping = ExportOptions(character=character(name)).chosen_mapping()
    assert chosen == name
    for pose, shape in SHOWN[name]:
        shapes, _ = Retargeter(mapping)(POSES.get(pose, {pose: 1.0}), np.array([1.0, 0, 0, 0]))
        (shown,) = [s for s, v in shapes.items() if v > 0.9]
        assert shown.endswith(shape)
        assert max((v for s, v in shapes.items() if s != shown), default=0) < 0.05


@pytest.mark.parametrize("name", CHARACTERS)
def test_its_morph_targets_and_bones_move(tmp_path, performance, character, name):
    options = ExportOptions(character=character(name))
    write_gltf(tmp_path / "out.glb", options.character, performance, options.retargeter())
    gltf = pygltflib.GLTF2().load(str(tmp_path / "out.glb"))
    (animation,) = gltf.animations
    of = {(c.target.path, c.target.node): animation.samplers[c.sampler] for c in animation.channels}
    assert set(of) == {("weights", 3), ("rotation", 1), ("rotation", 2)}
    weights = read_accessor(gltf, of["weights", 3].output).reshape(len(performance.times_s), -1)
    moved = np.flatnonzero(np.ptp(weights, axis=0) > 0.3)
    names = CHARACTERS[name][0]
    assert moved.size
    if name in ("vrm0", "vrm1"):  # half the clip's weight
        assert names[moved[0]] == "m1" if name == "vrm0" else "m0"
        assert weights.max() <= 0.5 + 1e-6
    else:
        opens = ("jawOpen", "Jaw_Open", "MTH_A", "viseme_aa")
        assert any(names[i].endswith(opens) for i in moved)


@pytest.mark.parametrize(
    ("targets", "extensions", "shape"),
    [
        (["m0", "m1"], vrm_0(["A", "Blink"]), "Blink"),
        (["m0", "m1"], vrm_1(["blink", "happy"]), "blink"),
        (["Fcl_MTH_A", "Fcl_EYE_Close"], None, "Fcl_EYE_Close"),
        (["Mouth_Smile_L", "Eye_Blink"], None, "Eye_Blink"),
    ],
)
def test_one_shape_for_both_lids_shuts_them_where_there_is_no_other(
    make_character, targets, extensions, shape
):
    options = ExportOptions(character=make_character(targets, extensions=extensions))
    both = {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0}
    shapes, _ = options.retargeter()(both, np.array([1.0, 0, 0, 0]))
    assert shapes[shape] == 1


@pytest.mark.parametrize("make", [vrm_0, vrm_1])
def test_binary_expressions_are_0_or_1(tmp_path, performance, make_character, make):
    name = "A" if make is vrm_0 else "aa"
    extensions = make([name])
    part = next(iter(extensions.values()))
    (clip,) = (
        part["blendShapeMaster"]["blendShapeGroups"] if make is vrm_0
        else part["expressions"]["preset"].values()
    )  # fmt: skip
    clip["isBinary"] = True
    options = ExportOptions(character=make_character(["m0"], extensions=extensions))
    write_gltf(tmp_path / "out.glb", options.character, performance, options.retargeter())
    gltf = pygltflib.GLTF2().load(str(tmp_path / "out.glb"))
    weights = read_accessor(gltf, gltf.animations[0].samplers[0].output)
    assert weights.ravel().tolist() == [0, 0, 0, 0, 0.5, 0.5]  # half the clip's weight


@pytest.mark.parametrize("how", ["none", "blend", "block"])
@pytest.mark.parametrize("binary", [False, True])
def test_expressions_hold_back_what_they_override(
    tmp_path, performance, make_character, how, binary
):
    extensions = vrm_1(["happy", "blinkLeft", "aa"])
    happy = extensions["VRMC_vrm"]["expressions"]["preset"]["happy"]
    happy |= {"overrideBlink": how, "isBinary": binary}
    options = ExportOptions(character=make_character(["m0", "m1", "m2"], extensions=extensions))
    seen = {"eyeBlinkLeft": 1.0, "jawOpen": 0.7, "mouthSmileLeft": 0.6, "mouthSmileRight": 0.6}
    performance = replace(performance, blendshapes=[seen] * 6)
    write_gltf(tmp_path / "out.glb", options.character, performance, options.retargeter())
    gltf = pygltflib.GLTF2().load(str(tmp_path / "out.glb"))
    weights = read_accessor(gltf, gltf.animations[0].samplers[0].output)
    happy, blink, opened = weights.ravel()[:3] * 2  # half the clip's weight
    assert 0 < happy <= 1
    assert blink == pytest.approx(1 if how == "none" else 1 - happy)
    assert opened > 0.5  # which is not overridden


def test_mappings_that_ship_treat_both_sides_alike():
    for name in preset_names():
        recipes = read_mapping(name).recipes
        seen = {source: {t for t, r in recipes.items() if source in r} for source in ARKIT_NAMES}
        for source in ARKIT_NAMES:
            assert len(seen[source]) == len(seen[mirrored_name(source)]), (name, source)


def test_clips_alone_are_streamed_to_programs_that_show_a_vrm(make_character):
    """They are addressed by the names of clips; morph targets of the same file are out of reach."""
    path = make_character(VROID_NAMES, extensions=vrm_0(VRM_0_NAMES))
    options = ExportOptions(character=path)
    assert options.chosen_mapping()[0] == "vroid"
    name, mapping = options.chosen_mapping(clips_only=True)
    assert name == "vrm0"
    assert set(mapping.recipes) <= set(VRM_0_NAMES)


def test_the_report_says_what_moves_and_what_cannot(character):
    text = ExportOptions(character=character("reallusion")).report(
        set(ARKIT_NAMES) - {"cheekPuff", "jawForward"}
    )
    flat = " ".join(text.split())
    assert "glTF with" in flat
    assert "bones: head, neck" in flat
    assert "mapping reallusion drives" in flat
    assert "not estimated for 3: Cheek_Puff_L, Cheek_Puff_R, Jaw_Forward" in flat
    text = ExportOptions(character=character("vrm1")).report(ARKIT_NAMES)
    assert "VRM 1.0 with 14 morph targets, 14 expressions" in text
    assert "relaxed" in text.partition("cannot drive")[2]


@pytest.mark.parametrize(
    ("wanted", "has"),
    [
        ("mouthSmileLeft", "mouthSmile_L"),
        ("mouthSmileLeft", "MouthSmileLeft"),
        ("mouthSmileLeft", "Face|mouthSmileLeft"),
        ("mouthSmileLeft", "rig:mouthSmileLeft"),
        ("mouthSmileLeft", "mouthSmile.L"),
        ("mouthSmileLeft", "Mouth Smile Left"),
        ("mouthSmileLeft", "face.mouth-smile-left"),
        ("Fcl_MTH_A", "Face.M_F00_000_00_Fcl_MTH_A"),
        ("mouthLeft", "mouthLeft"),
    ],
)
def test_names_are_found_in_their_usual_spellings(wanted, has):
    assert find_shape(wanted, ["mouthSmile_R", "jawLeft", has]) == has
    assert find_shape(wanted, ["mouthSmile_R", "jawLeft"]) is None


def test_shapes_of_several_meshes_move_together(make_character):
    names = ["blendShape1.jawOpen", "blendShape2.jawOpen", "blendShape1.mouthLeft"]
    options = ExportOptions(character=make_character(names))
    seen = {"jawOpen": 0.5, "mouthLeft": 0.25}
    shapes, _ = options.retargeter()(seen, np.eye(4)[0])
    assert shapes == dict(zip(names, (0.5, 0.5, 0.25), strict=True))
    assert find_shapes("jawOpen", ["Face.jawOpen", "JawOpen"]) == ["Face.jawOpen"]
    assert find_shapes("jawOpen", ["JawOpen", "Face.jawOpen"]) == ["JawOpen"]


def test_fitted_shapes_of_several_meshes_move_together(make_character):
    names = [f"{mesh}.Fcl_MTH_{vowel}" for vowel in VOWELS for mesh in ("Face", "Teeth")]
    shapes, _ = ExportOptions(character=make_character(names)).retargeter()(
        {"jawOpen": 0.7}, np.eye(4)[0]
    )
    assert shapes["Face.Fcl_MTH_A"] == shapes["Teeth.Fcl_MTH_A"] > 0.5


def test_unfit_choices_are_named(make_character, character):
    with pytest.raises(InvalidInputError, match="no kind that is known"):
        ExportOptions(character=make_character(["Lattice"])).retargeter()
    with pytest.raises(InvalidInputError, match="none of the shapes of the mapping vroid"):
        ExportOptions(character=character("arkit"), mapping="vroid").retargeter()
    damaged = make_character(extensions={"VRM": {"humanoid": {"humanBones": [{"bone": "head"}]}}})
    with pytest.raises(InvalidInputError, match="damaged in its part for VRM"):
        read_character(damaged)


def test_a_forehead_is_no_head():
    assert named_bones(["c_forehead", "c_head"])["head"] == 1
    assert "head" not in named_bones(["Forehead"])
