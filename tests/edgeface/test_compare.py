"""Differences of known size must come out as such."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from edgeface import InferenceError, InvalidInputError
from edgeface.cli import main
from edgeface.compare import LIMITS, Comparison, compare
from edgeface.model import Model
from tests.fakes import FixedBackend, metadata_of, neutral_heads

GREY = [("grey", np.zeros((64, 64, 3), np.uint8)), ("other", np.zeros((64, 32, 3), np.uint8))]


def planted(face_model, logits=(3.0, -9.0), **shifts):
    """An MFN of one cell whose two anchors give the faces that a test wants."""
    anchors = ((20.0, 30.0), (30.0, 20.0))
    metadata = metadata_of(
        "mfn", face_model, input_size=64, stride=64, anchors=anchors, iou_threshold=0.9
    )
    heads = neutral_heads(metadata)
    heads["detection"][..., 4::5] = logits
    heads["expression"][:] = -4.0
    for name, (channel, value) in shifts.items():
        heads[name][..., channel] += value
    return FixedBackend(face_model, metadata, heads)


def compared(face_model, precision="fp32", logits=(3.0, -9.0), **shifts):
    a, b = Model(planted(face_model)), Model(planted(face_model, logits, **shifts))
    return compare(a, b, GREY, precision)


def test_a_model_is_like_itself(face_model):
    result = compared(face_model)
    assert result.values["faces"] == 2
    assert result.values["pose dB"] == 200
    for quantity in ("detection max", "landmarks px", "landmarks mean %", "faces lost %"):
        assert result.values[quantity] == 0
    for precision in LIMITS:
        assert result.exceeded(precision) == []


def test_a_wider_box_moves_edges_and_landmarks(face_model):
    """t_h of the first anchor by log 1.2: 30 px high becomes 36; the image is the input."""
    values = compared(face_model, detection=(3, np.log(1.2))).values
    assert values["boxes px"] == pytest.approx(3, abs=1e-4)
    assert values["detection max"] == pytest.approx(np.log(1.2), rel=1e-5)
    # every landmark's offset from the centre grows by a fifth; in percent of the box as it was
    face = Model(planted(face_model)).run(GREY[0][1])[0]
    offsets = np.linalg.norm(face.landmarks_2d - 32, axis=1)
    assert values["landmarks px"] == pytest.approx(offsets.max() / 5, rel=1e-3)
    assert values["landmarks %"] == pytest.approx(offsets.max() / 5 / 30 * 100, rel=1e-3)


def test_a_turned_head_is_told_in_degrees(face_model):
    quarter = np.tan(np.deg2rad(10) / 2)  # of x to w in a turn by ten degrees
    values = compared(face_model, pose=(1, quarter)).values
    assert values["pose deg"] == pytest.approx(10, abs=1e-3)
    assert values["pose mean deg"] == pytest.approx(10, abs=1e-3)


def test_an_expression_is_told_in_its_own_unit(face_model):
    values = compared(face_model, expression=(7, 4.0)).values
    expected = 0.5 - 1 / (1 + np.exp(4))
    assert values["blendshapes"] == pytest.approx(expected, abs=1e-5)
    assert values["blendshapes mean"] == pytest.approx(expected / 46, abs=1e-5)


def test_lost_and_gained_faces_count_beyond_the_margin(face_model):
    lost = compared(face_model, logits=(-3.0, -9.0)).values
    assert lost["faces lost %"] == 100
    assert lost["faces gained %"] == 0
    gained = compared(face_model, logits=(3.0, 3.0)).values
    assert gained["faces gained %"] == 100
    hair = compared(face_model, "int8", logits=(-0.2, -9.0)).values  # a score of 0.45
    assert hair["faces lost %"] == 0
    assert compared(face_model, "fp32", logits=(-0.2, -9.0)).values["faces lost %"] == 100


def test_exceeded_names_quantity_limit_and_image(face_model):
    result = compared(face_model, pose=(0, 1e-3))
    (line,) = result.exceeded("fp32")
    assert line == "pose max is 0.001 (allowed 0.0001), worst on grey"
    result.largest("pose max", np.nan, "other")
    assert "nan" in result.exceeded("fp32")[0]
    with pytest.raises(InferenceError, match="not finite"):
        compared(face_model, pose=(0, np.nan))


@pytest.mark.parametrize("precision", ["fp16", "w8", "palette", "int8"])
def test_outputs_that_no_face_shows_may_not_be_noise(face_model, precision):
    """Nothing is found here, so that nothing of a face could differ."""
    noise = {name: (slice(0, None, 2), 9.0) for name in ("identity", "expression", "pose")}
    a, b = (Model(planted(face_model, (-9.0, -9.0), **shifts)) for shifts in ({}, noise))
    result = compare(a, b, GREY, precision)
    assert result.values["faces"] == 0
    over = result.exceeded(precision)
    assert [line.partition(" is ")[0] for line in over] == [f"{name} dB" for name in noise]
    assert "(at least " in over[0]


@pytest.mark.parametrize("precision", ["w8", "palette", "int8"])
def test_the_gaze_is_limited_in_degrees(precision):
    """People who look into the camera have hardly any signal, so that noise tells nothing."""
    values = {"gaze dB": 0.0, "gaze mean deg": 1.9}
    result = Comparison(values, magnitudes={"gaze": 0.01})
    assert result.exceeded(precision) == []
    values["gaze mean deg"] = 2.1
    assert result.exceeded(precision) == ["gaze mean deg is 2.1 (allowed 2)"]


def grown(face_model, largest, **shifts):
    """`compared` where the second anchor, which finds nothing, has a value as large as told."""
    a, b = planted(face_model), planted(face_model, **shifts)
    for side in (a, b):
        side.heads["pose"][..., 12] = largest
    return compare(Model(a), Model(b), GREY, "fp32").exceeded("fp32")


@pytest.mark.parametrize(
    ("largest", "difference", "refused"),
    [(1, 0.9e-4, False), (1, 1.1e-4, True), (30, 2.9e-4, False), (30, 3.1e-4, True)],
)
def test_limit_of_a_raw_output_follows_its_size(face_model, largest, difference, refused):
    over = grown(face_model, largest, pose=(0, difference))
    assert [line.split(" is ")[0] for line in over] == ["pose max"] * refused


@pytest.mark.parametrize(
    ("damage", "quantity"),
    [
        ({"pose": (4, 0.01)}, "landmarks px"),
        ({"pose": (1, 2e-3)}, "pose deg"),
        ({"expression": (0, 0.1)}, "blendshapes"),
    ],
)
def test_damage_of_faces_is_refused_however_large_an_output_is(face_model, damage, quantity):
    over = grown(face_model, 1e6, **damage)
    assert quantity in [line.split(" is ")[0] for line in over]


def test_largest_keeps_nan():
    result = Comparison()
    for value in (1.0, np.nan, 2.0):
        result.largest("x", value, str(value))
    assert np.isnan(result.values["x"])


def test_models_that_do_not_fit_together_are_errors(face_model):
    a, other = Model(planted(face_model)), planted(face_model)
    other.metadata = replace(other.metadata, anchors=((9.0, 9.0), (8.0, 8.0)))
    with pytest.raises(InvalidInputError, match="anchors is"):
        compare(a, Model(other), GREY, "fp32")
    with pytest.raises(InvalidInputError, match="at least one image"):
        compare(a, a, [], "fp32")
    with pytest.raises(InvalidInputError, match="no precision 'int3'; known are fp32"):
        compare(a, a, GREY, "int3")


@pytest.mark.parametrize(
    ("change", "message"),
    [({"gaze": True}, "output_names is"), ({"crop_scale": 1.5}, "crop_scale is")],
)
def test_networks_of_crops_must_see_the_same(face_model, change, message):
    """They have other outputs, or look at other crops of the same face."""
    plain, other = (
        Model(FixedBackend(face_model, metadata_of("sfn", face_model, **more)))
        for more in ({}, change)
    )
    for pair in ((plain, other), (other, plain)):
        with pytest.raises(InvalidInputError, match=message):
            compare(*pair, GREY, "fp32")


def test_verify_command(onnx_file, pt2_file, tmp_path, capsys):
    assert main(["verify", str(pt2_file), str(onnx_file)]) == 0
    printed = capsys.readouterr().out
    assert "within the limits of fp32" in printed
    assert "landmarks %" in printed
    assert main(["verify", "sfn", str(onnx_file)]) == 1
    assert "cannot compare" in capsys.readouterr().err
    assert main(["verify", "sfn", "sfn", "--images", str(tmp_path)]) == 1
    assert "has no images" in capsys.readouterr().err
    Image.new("RGB", (64, 64)).save(tmp_path / "nobody.png")
    assert main(["verify", "mfn", "mfn", "--images", str(tmp_path)]) == 1
    assert "finds no face" in capsys.readouterr().err
