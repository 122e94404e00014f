"""Personal models: shapes, skins, files."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import replace

import numpy as np
import pytest

from edgeface.errors import InvalidInputError, ModelFormatError
from edgeface.face_model import EXPRESSION_NAMES
from edgeface.personal import template as module
from edgeface.personal.model import PersonalModel, sample_maps
from edgeface.personal.template import Template

K = 3


@pytest.fixture
def template(random):
    """A face of 20 vertices with three shapes."""
    v, r = 20, 8
    return Template(
        neutral=random.normal(size=(v, 3)).astype(np.float32),
        identity=random.normal(size=(2, v, 3)).astype(np.float32),
        expression=random.normal(size=(K, v, 3)).astype(np.float32),
        triangles=np.arange(18, dtype=np.int32).reshape(6, 3),
        uv=random.random((v, 2)).astype(np.float32),
        attention=random.integers(0, 256, (K, r, r), np.uint8),
        regions=random.integers(0, 5, (r, r), np.uint8),
        landmark_vertices=np.arange(68, dtype=np.int32) % v,
        mesh_vertices=np.arange(468, dtype=np.int32) % v,
        albedo=random.integers(0, 256, (r, r, 3), np.uint8),
        expression_names=("jawOpen", "browInnerUp_L", "browInnerUp_R"),
    )


@pytest.fixture
def person(template, random):
    return PersonalModel(
        template=template,
        identity=random.normal(size=2).astype(np.float32),
        neutral=random.normal(0, 0.01, (3, 6, 6)).astype(np.float32),
        shapes=random.normal(0, 0.01, (K, 3, 6, 6)).astype(np.float32),
        skin=random.random((8, 8, 3)).astype(np.float32),
        dynamic_skin=random.normal(0, 0.05, (K, 4, 4, 3)).astype(np.float32),
        unseen=("jawOpen",),
        report={"frames": 20},
    )


def test_a_shape_is_the_neutral_face_and_weighted_blendshapes(person):
    """Eq. 1, with the paper's w_0 = 1 - sum(w) written out."""
    weights = np.array([0.5, 0.25, 0.0], np.float32)
    neutral = person.neutral_vertices
    absolute = neutral + person.offsets
    expected = (1 - weights.sum()) * neutral + np.tensordot(weights, absolute, axes=1)
    np.testing.assert_allclose(person.shape(weights), expected, atol=1e-5)


def test_shapes_that_arkit_does_not_split_share_its_name(person):
    by_name = person.shape({"browInnerUp": 0.5, "tongueOut": 1.0})
    np.testing.assert_array_equal(by_name, person.shape([0, 0.5, 0.5]))


def test_albedo_changes_with_the_expression(person):
    assert person.albedo({}).shape == (8, 8, 3)
    np.testing.assert_allclose(person.albedo({}), person.skin)
    assert np.abs(person.albedo({"jawOpen": 1.0}) - person.skin).max() > 0.01


def test_maps_are_sampled_as_torch_samples_them(random):
    torch = pytest.importorskip("torch")
    maps = random.normal(size=(2, 3, 7, 7)).astype(np.float32)
    uv = random.random((50, 2)).astype(np.float32)
    grid = torch.from_numpy(uv)[None, None] * 2 - 1
    sampled = torch.nn.functional.grid_sample(
        torch.from_numpy(maps),
        grid.expand(2, -1, -1, -1),
        padding_mode="border",
        align_corners=False,
    )
    expected = sampled[:, :, 0].permute(0, 2, 1)
    np.testing.assert_allclose(sample_maps(maps, uv), expected, atol=1e-5)


def test_a_file_gives_the_person_back(person, template, tmp_path):
    person.save(tmp_path / "me.efp")
    back = PersonalModel.load(tmp_path / "me.efp", template)
    assert back.unseen == person.unseen
    assert back.report == person.report
    np.testing.assert_array_equal(back.identity, person.identity)
    for name, steps in (("neutral", 32767), ("shapes", 127), ("dynamic_skin", 127), ("skin", 255)):
        before, after = getattr(person, name), getattr(back, name)
        np.testing.assert_allclose(after, before, atol=np.abs(before).max() / steps / 1.99)


@pytest.mark.parametrize("cut", [0, 4, 11, 40, -1, -100])
def test_a_truncated_file_is_an_error(person, template, cut):
    with pytest.raises(ModelFormatError, match="personal model"):
        PersonalModel.from_bytes(person.to_bytes()[:cut], template)


def test_every_damaged_byte_is_an_error(person, template, random):
    data = person.to_bytes()
    for place in random.integers(0, len(data), 400):
        damaged = bytearray(data)
        damaged[place] ^= 1 << random.integers(8)
        with pytest.raises(ModelFormatError):
            PersonalModel.from_bytes(bytes(damaged), template)


def test_a_model_of_another_template_is_an_error(person, template, random):
    other = Template(**{**vars(template), "neutral": template.neutral + 1})
    with pytest.raises(ModelFormatError, match="another template"):
        PersonalModel.from_bytes(person.to_bytes(), other)


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(InvalidInputError, match="cannot read"):
        PersonalModel.load(tmp_path / "nobody.efp")


@pytest.mark.parametrize("weights", [[1, 2], "smile", [np.nan, 0, 0]])
def test_weights_that_are_none_are_an_error(person, weights):
    with pytest.raises(InvalidInputError, match="weights"):
        person.shape(weights)


def test_a_template_survives_its_file(template, tmp_path):
    (tmp_path / "t.npz").write_bytes(template.to_bytes())
    back = Template.load(tmp_path / "t.npz")
    assert back.sha256 == template.sha256
    assert repr(back) == "Template(20 vertices, 6 triangles, 2 identity modes, 3 shapes)"


def changed_npz(template, change, **arrays):
    with np.load(io.BytesIO(template.to_bytes())) as archive:
        stored = dict(archive)
    header = json.loads(stored["header"].tobytes())
    stored["header"] = np.frombuffer(json.dumps(header | change).encode(), np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, **(stored | arrays))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("change", "arrays"),
    [
        ({"expression_names": [1, 2, 3]}, {}),
        ({"expression_names": [["a"], ["b"], ["c"]]}, {}),
        ({"version": [True]}, {}),
        ({"info": 5}, {}),
        ({}, {"identity": np.full((2, 20, 3), "a")}),
        ({}, {"uv": np.array(None)}),
    ],
)
def test_a_template_that_lies_is_an_error(template, tmp_path, change, arrays):
    (tmp_path / "t.npz").write_bytes(changed_npz(template, change, **arrays))
    with pytest.raises(ModelFormatError, match=r"t\.npz"):
        Template.load(tmp_path / "t.npz")


@pytest.mark.parametrize("where", [8, 10], ids=["encrypted", "compressed otherwise"])
def test_a_template_in_a_zip_of_another_kind_is_an_error(template, tmp_path, where):
    data, entry = bytearray(template.to_bytes()), 0
    while (entry := data.find(b"PK\x01\x02", entry)) >= 0:
        data[entry + where] |= 0x61
        entry += 4
    (tmp_path / "t.npz").write_bytes(data)
    with pytest.raises(ModelFormatError, match="no template, or is damaged"):
        Template.load(tmp_path / "t.npz")


def test_a_template_that_would_fill_the_memory_is_not_unpacked(template, tmp_path, monkeypatch):
    packed = template.to_bytes()
    monkeypatch.setattr(module, "MAX_BYTES", len(packed))
    (tmp_path / "t.npz").write_bytes(packed)
    with pytest.raises(ModelFormatError, match=r"unpacked it has [\d,]+ bytes, more than [\d,]+"):
        Template.load(tmp_path / "t.npz")


def test_an_array_alone_is_no_template(tmp_path):
    np.save(tmp_path / "t.npy", np.zeros(3))
    with pytest.raises(ModelFormatError, match="no template, or is damaged"):
        Template.load(tmp_path / "t.npy")


def test_a_template_of_another_type_is_an_error(person):
    with pytest.raises(InvalidInputError, match="template must be a Template"):
        PersonalModel.from_bytes(person.to_bytes(), "t.npz")


def test_the_projects_coefficients_move_the_templates_shapes(template):
    expression = np.zeros(46, np.float32)
    expression[EXPRESSION_NAMES.index("browInnerUpLeft")] = 0.75
    np.testing.assert_array_equal(template.from_expression(expression), [0, 0.75, 0])


@pytest.mark.parametrize("scores", [{"jawOpen": "x"}, {"jawOpen": None}, {"jawOpen": np.inf}])
def test_scores_that_are_none_are_an_error(person, scores):
    with pytest.raises(InvalidInputError, match="weights"):
        person.albedo(scores)


def test_a_score_that_is_not_seen_moves_nothing(person):
    np.testing.assert_array_equal(person.shape({"jawOpen": np.nan}), person.neutral_vertices)


def rewritten(person, change):
    """The person's file with a header that was changed, and the hash that goes with it."""
    data = person.to_bytes()
    size = int.from_bytes(data[40:44], "little")
    header = json.loads(data[44 : 44 + size])
    change(header)
    text = json.dumps(header).encode()
    body = len(text).to_bytes(4, "little") + text + data[44 + size :]
    return data[:8] + hashlib.sha256(body).digest() + body


def test_bytes_of_no_array_are_an_error(person, template):
    data = person.to_bytes() + b"\0"
    data = data[:8] + hashlib.sha256(data[40:]).digest() + data[40:]
    with pytest.raises(ModelFormatError, match="follow the header"):
        PersonalModel.from_bytes(data, template)


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header.update(report={"warnings": 5}),
        lambda header: header.update(report={"refused": ["a"]}),
        lambda header: header.update(report=5),
        lambda header: header.update(unseen=["jawOpen"] * 2),
        lambda header: header.update(version=[True, 0]),
        lambda header: header["arrays"]["neutral"].update(scales=[True]),
        lambda header: header["arrays"]["neutral"].update(scales=[3e38]),
        lambda header: header["arrays"]["neutral"].update(scales=["1"]),
        lambda header: header["arrays"]["neutral"].update(shape=[1, 3, 6.5, 6]),
        lambda header: header["arrays"]["neutral"].update(offset=0.5),
        lambda header: header["arrays"].update(neutral=5),
        lambda header: header["arrays"].update(  # the same bytes, again and again
            {str(i): header["arrays"]["shapes"] for i in range(9)}
        ),
    ],
)
def test_a_header_that_lies_is_an_error(person, template, change):
    with pytest.raises(ModelFormatError, match="personal model"):
        PersonalModel.from_bytes(rewritten(person, change), template)


@pytest.mark.parametrize(
    "parts",
    [
        {"neutral": np.zeros((3, 1, 1)), "shapes": np.zeros((K, 3, 1, 1))},
        {"dynamic_skin": np.zeros((K, 1, 1, 3))},
        {"neutral": None},
        {"skin": np.full((8, 8, 3), "a")},
        {"identity": np.full(2, 1e30)},
        {"template": None},
        {"unseen": "jawOpen"},
        {"report": {"warnings": None}},
    ],
)
def test_parts_that_are_none_are_an_error(person, parts):
    with pytest.raises(InvalidInputError, match=next(iter(parts))):
        replace(person, **parts)


def test_a_report_that_no_reader_takes_is_not_written(person):
    with pytest.raises(InvalidInputError, match="report"):
        replace(person, report={"photometric_error": float("nan")}).to_bytes()
