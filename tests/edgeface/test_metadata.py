import json
from dataclasses import replace

import pytest

from edgeface import MetadataError
from edgeface.face_model import EXPRESSION_NAMES
from edgeface.metadata import Metadata, file_schema
from tests.fakes import metadata_of

MFN, SFN, FUSION = (metadata_of(kind) for kind in ("mfn", "sfn", "fusion"))


@pytest.mark.parametrize("metadata", [MFN, SFN, FUSION])
def test_from_json_inverts_to_json(metadata):
    assert Metadata.from_json(metadata.to_json(), "file") == metadata


def test_to_json_states_what_other_programs_need():
    values = json.loads(MFN.to_json())
    assert values["input"]["shape"] == ["batch", 288, 288, 3]
    assert values["outputs"]["expression"]["shape"] == ["batch", 9, 9, 2 * 46]
    assert values["pose_slices"]["quaternion_wxyz"] == [0, 4]
    assert values["schema_version"] == [1, 5]


def test_output_shape():
    assert MFN.output_shape("detection") == (9, 9, 10)
    assert SFN.output_shape("pose") == (8,)
    assert [FUSION.output_shape(n) for n in FUSION.output_names] == [(50,), (46,), (60,), (6,)]
    assert json.loads(FUSION.to_json())["pose_slices"]["rotation_vector"] == [1, 4]
    assert [m.detects for m in (MFN, SFN, FUSION)] == [True, False, False]


@pytest.mark.parametrize(
    ("metadata", "key"),
    [(MFN, k) for k in ("name", "input_size", "expression_names", "face_model_sha256", "licence",
                        "stride", "anchors", "score_threshold", "iou_threshold", "kind",
                        "schema_version")]
    + [(SFN, "crop_scale")],
)  # fmt: skip
def test_from_json_names_a_missing_or_corrupt_key(metadata, key):
    values = json.loads(metadata.to_json())
    del values[key]
    name = "version" if key == "schema_version" else key
    with pytest.raises(MetadataError, match=f"file.*{name}"):
        Metadata.from_json(json.dumps(values), "file")
    values[key] = {"not": "this"}
    with pytest.raises(MetadataError, match=f"file.*{name}"):
        Metadata.from_json(json.dumps(values), "file")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "carries no metadata"),
        ("{", "no JSON"),
        ("[]", "no JSON object"),
        (json.dumps(json.loads(MFN.to_json()) | {"schema_version": [3, 0]}), "reads 1.x and 2.x"),
        (json.dumps(json.loads(MFN.to_json()) | {"schema_version": [2, 0]}), "have a cell_range"),
        (json.dumps(json.loads(MFN.to_json()) | {"cell_range": 2.0}), "have a cell_range"),
        (json.dumps(json.loads(MFN.to_json()) | {"kind": "xfn"}), "kind must be one of sfn"),
        (
            json.dumps(json.loads(MFN.to_json()) | {"anchors": [[1]]}),
            r"anchors\[0\] must be a list of 2 items, got 1",
        ),
        (
            json.dumps(json.loads(MFN.to_json()) | {"anchors": []}),
            "anchors must be a list of 1 to 64 items, got 0",
        ),
        (
            json.dumps(json.loads(MFN.to_json()) | {"stride": 0}),
            "stride must be a whole number from 1 to 4096, got 0",
        ),
        (json.dumps(json.loads(MFN.to_json()) | {"expression_names": ["a"]}), "46"),
    ],
)
def test_from_json_rejects(text, message):
    with pytest.raises(MetadataError, match=message):
        Metadata.from_json(text, "file")


def test_a_file_whose_cells_reach_beyond_themselves_says_so_to_older_readers():
    wide = replace(MFN, cell_range=2.0)
    values = json.loads(wide.to_json())
    assert values["schema_version"] == [2, 0]
    assert values["cell_range"] == 2.0
    assert Metadata.from_json(wide.to_json(), "file") == wide
    assert "cell_range" not in json.loads(MFN.to_json())
    values = json.loads(SFN.to_json()) | {"schema_version": [2, 0], "cell_range": 2.0}
    with pytest.raises(MetadataError, match="have a cell_range, and no others"):
        Metadata.from_json(json.dumps(values), "file")


def test_from_json_reads_newer_minor_versions():
    values = json.loads(MFN.to_json()) | {"schema_version": [1, 9], "novelty": 1}
    assert Metadata.from_json(json.dumps(values), "file") == MFN


DAMAGES = {
    "name": ["", 5, None, "x" * 201, "a\nb"],
    "input_size": [0, -288, 33, True, 10**9, 288.5, "288", 4128],
    "expression_names": ["abc", [1] * 46, ["a"] * 46, [["a"]] * 46, EXPRESSION_NAMES[:45]],
    "unseen_expressions": [5, "jawOpen", [[1]], ["noSuchShape"], ["jawOpen", "jawOpen"]],
    "face_model_sha256": ["0", "G" * 64, 5, None],
    "licence": [[], "", {}],
    "any_size": ["no", 1, None],
    "stride": [0, -32, 31, 7, True, 10**6, "32", 0.5],
    "cell_range": [1, 0.5, 4, "2", None, True],
    "anchors": [[], 5, [[1]], [[1, 2, 3]], [[0, 1]], [[-5, -5]], [[1e308, 1]], [["1", 1]], {}],
    "score_threshold": [-5, 7, True, "0.5", None, [0.5]],
    "iou_threshold": [-3, 1.01, False],
    "crop_scale": [1.3, -1],
    "precision": [[], "fp64", None],
    "training": [[], 5], "parity": [5], "graph": [5, {"operators": 3}, {"layer_bytes": {"x": "y"}}],
    "input": [5, {}, {"shape": ["batch", 320, 320, 3]}],
    "outputs": [[], {}, {"pose": {"shape": ["batch", 1], "values": "raw logits"}}],
    "pose_slices": [{"quaternion_wxyz": [1, 5], "translation": [4, 7], "scale_logit": [7, 8]}],
    "schema_version": [[True, 0], [1], [1, "0"], "1.3", 1, [1, -1], [0, 9]],
    "kind": ["MFN", ["mfn"], None, 5],
}  # fmt: skip


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, values in DAMAGES.items() for value in values]
)
def test_every_entry_is_checked_and_named(key, value):
    values = json.loads(MFN.to_json()) | {key: value}
    with pytest.raises(MetadataError, match=f"file: in the metadata, .*{key}"):
        Metadata.from_json(json.dumps(values), "file")


@pytest.mark.parametrize("key", ["stride", "anchors", "score_threshold", "any_size"])
def test_a_network_of_crops_has_no_grid(key):
    values = json.loads(SFN.to_json())
    values[key] = json.loads(MFN.to_json())[key] or True
    with pytest.raises(MetadataError, match=key):
        Metadata.from_json(json.dumps(values), "file")


@pytest.mark.parametrize("scale", [0, -2, True, 1e-300, 1e300, 0.1, 100])
def test_crop_scales_that_make_no_crop_are_refused(scale):
    values = json.loads(SFN.to_json()) | {"crop_scale": scale}
    with pytest.raises(MetadataError, match=r"crop_scale must lie in \[0.25, 8\]"):
        Metadata.from_json(json.dumps(values), "file")


def test_stride_divides_every_size():
    free = replace(MFN, any_size=True, input_size=192, stride=64)
    with pytest.raises(MetadataError, match="stride must divide 32 in a file of any_size"):
        Metadata.from_json(free.to_json(), "file")
    assert Metadata.from_json(replace(free, any_size=False).to_json(), "file").stride == 64


@pytest.mark.parametrize("metadata", [MFN, SFN, FUSION])
def test_the_published_schema_accepts_what_is_written(metadata):
    jsonschema = pytest.importorskip("jsonschema", reason="needs the dev dependencies")
    jsonschema.validate({"edgeface": json.loads(metadata.to_json())}, file_schema())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (key, value)
        for key, values in DAMAGES.items()
        for value in values
        if key not in ("input", "outputs", "pose_slices", "name")
        and str(value) not in ("31", "7", "['noSuchShape']")
    ],
)
def test_the_published_schema_refuses_what_is_refused_here(key, value):
    jsonschema = pytest.importorskip("jsonschema", reason="needs the dev dependencies")
    values = json.loads(MFN.to_json()) | {key: value}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"edgeface": json.loads(json.dumps(values))}, file_schema())
