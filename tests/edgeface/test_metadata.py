import json

import pytest

from edgeface import MetadataError
from edgeface.face_model import EXPRESSION_NAMES
from edgeface.metadata import Metadata

MFN = Metadata(
    kind="mfn",
    name="test",
    input_size=288,
    expression_names=EXPRESSION_NAMES,
    face_model_sha256="0" * 64,
    licence="none",
    stride=32,
    anchors=((10.0, 12.0), (20.0, 24.0)),
    score_threshold=0.4,
    iou_threshold=0.5,
)
SFN = Metadata("sfn", "test", 128, EXPRESSION_NAMES, "0" * 64, "none", crop_scale=1.3)


FUSION = Metadata("fusion", "test", 128, EXPRESSION_NAMES, "0" * 64, "none", crop_scale=1.3)


@pytest.mark.parametrize("metadata", [MFN, SFN, FUSION])
def test_from_json_inverts_to_json(metadata):
    assert Metadata.from_json(metadata.to_json(), "file") == metadata


def test_to_json_states_what_other_programs_need():
    values = json.loads(MFN.to_json())
    assert values["input"]["shape"] == ["batch", 288, 288, 3]
    assert values["outputs"]["expression"]["shape"] == ["batch", 9, 9, 2 * 46]
    assert values["pose_slices"]["quaternion_wxyz"] == [0, 4]
    assert values["schema_version"] == [1, 4]


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
        (json.dumps(json.loads(MFN.to_json()) | {"schema_version": [2, 0]}), "reads 1.x"),
        (json.dumps(json.loads(MFN.to_json()) | {"kind": "xfn"}), "'kind' must be"),
        (json.dumps(json.loads(MFN.to_json()) | {"anchors": [[1]]}), "pairs of numbers"),
        (json.dumps(json.loads(MFN.to_json()) | {"anchors": []}), "needs anchors"),
        (json.dumps(json.loads(MFN.to_json()) | {"stride": 0}), "positive stride"),
        (json.dumps(json.loads(MFN.to_json()) | {"expression_names": ["a"]}), "46"),
    ],
)
def test_from_json_rejects(text, message):
    with pytest.raises(MetadataError, match=message):
        Metadata.from_json(text, "file")


def test_from_json_reads_newer_minor_versions():
    values = json.loads(MFN.to_json()) | {"schema_version": [1, 9], "novelty": 1}
    assert Metadata.from_json(json.dumps(values), "file") == MFN
