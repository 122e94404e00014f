import pytest

from edgeface.kinds import KINDS, ROTATION_VECTOR_POSE


def test_kinds_are_named_by_their_keys():
    assert all(kind.name == name for name, kind in KINDS.items())
    assert [name for name, kind in KINDS.items() if kind.detects] == ["mfn"]
    assert [name for name, kind in KINDS.items() if kind.corrects_shape] == ["fusion"]


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_kind_has_the_outputs_that_every_face_is_read_from(kind):
    assert ("detection" in kind.outputs) == kind.detects
    assert kind.outputs.get("pose", 0) == kind.pose.width
    if kind.gives_faces:
        assert {"expression", "pose"} <= set(kind.outputs)
    else:
        assert kind.gives_person


def test_only_the_person_s_networks_leave_something_out():
    assert [n for n, kind in KINDS.items() if not kind.gives_faces] == ["modelnet"]
    assert [n for n, kind in KINDS.items() if not kind.gives_identity] == [
        "tracknet",
        "modelnet",
        "personal",
    ]


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_pose_slices_are_without_gap_or_overlap(kind):
    ends = [0, *(end for _, end in kind.pose.slices.values())]
    assert [start for start, _ in kind.pose.slices.values()] == ends[:-1]


def test_the_rotation_vector_layout_has_six_values():
    assert ROTATION_VECTOR_POSE.width == 6
