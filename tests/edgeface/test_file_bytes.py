"""Files of strangers may be larger than memory; those here take no place on the disk."""

import os
import tracemalloc
from pathlib import Path

import pytest

from edgeface import EdgeFaceError, FaceModel, retarget
from edgeface.face_model_import import from_facewarehouse
from edgeface.file_bytes import bytes_of
from edgeface.personal.template import Template


def test_what_a_file_has_is_read_up_to_a_limit(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"12345")
    assert bytes_of(file, 5) == b"12345"
    with pytest.raises(ValueError, match="more than 4 bytes"):
        bytes_of(file, 4)
    with pytest.raises(FileNotFoundError):
        bytes_of(tmp_path / "absent", 4)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs devices and pipes")
def test_what_has_no_end_is_not_read_on():
    with pytest.raises(ValueError, match="more than 1,000 bytes"):
        bytes_of(Path("/dev/zero"), 1000)


@pytest.mark.parametrize(
    "read",
    [
        FaceModel.load,
        Template.load,
        from_facewarehouse,
        retarget.read_mapping,
        retarget.read_range,
        retarget.read_character,
    ],
)
def test_files_that_are_larger_than_memory_are_refused(tmp_path, read):
    file = tmp_path / "huge.npz"
    with file.open("wb") as huge:
        huge.truncate(1 << 40)
    tracemalloc.start()
    with pytest.raises(EdgeFaceError, match=r"huge\.npz.*more than"):
        read(file)
    assert tracemalloc.get_traced_memory()[1] < 1 << 24
    tracemalloc.stop()
