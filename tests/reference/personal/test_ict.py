"""ICT-FaceKit's file: one reader for all that is made of it."""

import io

import numpy as np
import pytest

pytest.importorskip("torch", reason="the reference needs the extra: edgeface[train]")

from edgeface import ModelFormatError
from edgeface.reference.personal import ict, skull
from edgeface.reference.personal.ict import read_ict, triangles_of

ARRAYS = {
    "neutral": np.arange(18, dtype=np.float32).reshape(6, 3),
    "identity_delta": np.ones((2, 6, 3), np.float16),
    "expression_delta": np.zeros((3, 6, 3), np.float16),
    "expression_names": np.array(["a", "b", "c"]),
    "quads": np.array([[0, 1, 2, 3], [2, 3, 4, 5]], np.int32),
    "quads_uv": np.zeros((2, 4), np.int32),
    "uv": np.zeros((1, 2), np.float32),
    "landmarks68": np.zeros(68, np.int64),
}


def file_of(arrays):
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


def test_the_face_comes_first_and_the_skull_after_it(monkeypatch, tmp_path):
    for module in (ict, skull):
        monkeypatch.setattr(module, "NUM_FACE_QUADS", 1)
    moved = ARRAYS["expression_delta"].copy()
    moved[1, 5], moved[2, 0] = 1, 1  # one of the skull, one of the face
    path = tmp_path / "ict.npz"
    path.write_bytes(file_of(ARRAYS | {"expression_delta": moved}))
    read = read_ict(path)
    assert read.num_face == 4
    assert triangles_of(read.quads).tolist() == [[0, 1, 2], [2, 3, 4], [0, 2, 3], [2, 4, 5]]
    with np.load(io.BytesIO(skull.skull_file(path))) as made:
        assert made["expression_names"].tolist() == ["b"]
        np.testing.assert_allclose(made["neutral"], ARRAYS["neutral"][4:] / 10)
        assert made["triangles"].tolist() == [[2, 3, 4], [2, 4, 5]]


@pytest.mark.parametrize("absent", ARRAYS)
def test_an_array_that_is_not_there_is_named(absent):
    arrays = {name: value for name, value in ARRAYS.items() if name != absent}
    with pytest.raises(ModelFormatError, match=f"^heads is no ICT-FaceKit light: .*{absent}"):
        read_ict("heads", file_of(arrays))


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"\x93NUMPY", b"text", b"\x80\4."])
def test_another_file_is_refused(content, tmp_path):
    path = tmp_path / "x.npz"
    path.write_bytes(content)
    with pytest.raises(ModelFormatError, match=r"x\.npz is no ICT-FaceKit light"):
        read_ict(path)
