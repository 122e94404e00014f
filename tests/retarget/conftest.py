"""A small character, and a performance."""

import json
import struct

import numpy as np
import pytest

from edgeface.recording import Performance
from edgeface.retarget import ARKIT_NAMES

TARGETS = ["jawOpen", "eyeBlinkLeft", "Joy"]


@pytest.fixture
def performance():
    """Two seconds, unevenly timed: the jaw opens, the head turns to its left."""
    times = np.array([1.0, 1.1, 1.15, 1.4, 2.0, 3.0])
    amount = (times - 1) / 2
    angles = amount * 0.5
    quaternions = np.stack([np.cos(angles / 2), 0 * angles, np.sin(angles / 2), 0 * angles], axis=1)
    shapes = [
        dict.fromkeys(ARKIT_NAMES, 0.0) | {"jawOpen": a, "mouthSmileLeft": 0.5, "eyeBlinkLeft": 0.1}
        for a in amount
    ]
    return Performance(
        track_id=1, times_s=times, frames=np.arange(6), quaternions_wxyz=quaternions,
        expression_coeffs=np.zeros((6, 46)), identity_coeffs=np.eye(50)[0], blendshapes=shapes,
    )  # fmt: skip


@pytest.fixture
def make_character(tmp_path):
    """Writes a .glb by hand: root > neck (lies on its side) > Head > face with morph targets."""

    def make(
        targets=TARGETS, *, named=True, head="Head", matrix=False, names_at="mesh", extensions=None,
        eyes=False,
    ):  # fmt: skip
        corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], "<f4")
        shifts = [corners * 0 + [0, 0, 0.1 * (i + 1)] for i in range(len(targets))]
        blob = b"".join(a.astype("<f4").tobytes() for a in [corners, *shifts])
        views = [
            {"buffer": 0, "byteOffset": 36 * i, "byteLength": 36} for i in range(len(shifts) + 1)
        ]
        accessors = [
            {"bufferView": i, "componentType": 5126, "count": 3, "type": "VEC3",
             "min": a.min(axis=0).tolist(), "max": a.max(axis=0).tolist()}
            for i, a in enumerate(np.array([corners, *shifts], "<f4"))
        ]  # fmt: skip
        primitive = {"attributes": {"POSITION": 0}}
        mesh = {"name": "face", "primitives": [primitive]}
        if targets:
            primitive["targets"] = [{"POSITION": i + 1} for i in range(len(targets))]
            holder = mesh if names_at == "mesh" else primitive
            holder["extras"] = {"targetNames": list(targets)} if named else {}
        side = {"rotation": [0, 0, 2**-0.5, 2**-0.5]}  # a quarter turn about z
        if matrix:
            side = {"matrix": [0, 1, 0, 0, -1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]}
        document = {
            "asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}],
            "nodes": [{"name": "root", "children": [1]},
                      {"name": "neck", "children": [2], **side},
                      {"name": head, "children": [3], "rotation": [2**-0.5, 0, 0, 2**-0.5]},
                      {"name": "face", "mesh": 0}],
            "meshes": [mesh], "accessors": accessors, "bufferViews": views,
            "buffers": [{"byteLength": len(blob)}], "extensions": extensions or {},
        }  # fmt: skip
        if eyes:  # nodes 4 and 5, in a head that lies on its side and back
            document["nodes"][2]["children"] += [4, 5]
            document["nodes"] += [{"name": "eye.L"}, {"name": "eye.R", "rotation": [0, 1, 0, 0]}]
        text = json.dumps(document).encode()
        text += b" " * (-len(text) % 4)
        chunks = struct.pack("<II", len(text), 0x4E4F534A) + text
        chunks += struct.pack("<II", len(blob), 0x004E4942) + blob
        path = tmp_path / "character.glb"
        path.write_bytes(struct.pack("<III", 0x46546C67, 2, 12 + len(chunks)) + chunks)
        return path

    return make
