import json

import pytest

from edgeface import MetadataError
from edgeface.metadata import Metadata
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
