"""Avatars that others made, driven by preset: a folder of them is named by EDGEFACE_AVATARS.

`brunette-t.glb` (made with Ready Player Me) and `vroid.glb` (VRoid Studio, with bones like Ready
Player Me's, compressed by meshopt) are those of the repository met4citizen/TalkingHead, free to use
for what is not commercial.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from edgeface.recording import Performance
from edgeface.retarget import ARKIT_NAMES, ExportOptions, read_character, write_gltf
from tests.retarget.test_formats import read_accessor

pygltflib = pytest.importorskip("pygltflib")

AVATARS = {
    # the preset, how many of ARKit's shapes move at least, bones
    "brunette-t.glb": ("readyplayerme", 50, {"head", "neck", "spine", "leftEye", "rightEye"}),
    "vroid.glb": ("readyplayerme", 50, {"head", "neck", "spine"}),
}


@pytest.fixture
def avatar(request):
    folder = os.environ.get("EDGEFACE_AVATARS")
    if not folder or not (Path(folder) / request.param).is_file():
        pytest.skip(f"needs {request.param}: set EDGEFACE_AVATARS to its folder")
    return Path(folder) / request.param


@pytest.fixture
def every_shape():
    """Each of ARKit's shapes goes to 1 in a frame of its own, while the head turns."""
    count = len(ARKIT_NAMES)
    shapes = [dict.fromkeys(ARKIT_NAMES, 0.0) | {name: 1.0} for name in ARKIT_NAMES]
    angles = np.linspace(0, 0.3, count)
    turns = np.stack([np.cos(angles), 0 * angles, np.sin(angles), 0 * angles], axis=1)
    return Performance(
        1, np.arange(count) / 30, np.arange(count), turns, np.zeros((count, 46)), np.eye(50)[0],
        shapes,
    )  # fmt: skip


@pytest.mark.parametrize("avatar", AVATARS, indirect=True)
def test_each_shape_moves_its_own_morph_target(avatar, every_shape, tmp_path):
    preset, num_shapes, bones = AVATARS[avatar.name]
    options = ExportOptions(character=avatar)
    assert options.chosen_mapping()[0] == preset
    character = read_character(avatar)
    assert bones <= set(character.bones)
    write_gltf(tmp_path / "out.glb", avatar, every_shape, options.retargeter())
    gltf = pygltflib.GLTF2().load(str(tmp_path / "out.glb"))
    names, moved = character.morphs, set()
    for channel in gltf.animations[-1].channels:
        if channel.target.path == "weights":
            sampler = gltf.animations[-1].samplers[channel.sampler]
            targets = names[channel.target.node]
            weights = read_accessor(gltf, sampler.output).reshape(-1, len(targets))
            for frame, shape in enumerate(ARKIT_NAMES):
                if shape in targets:
                    assert weights[frame, list(targets).index(shape)] == pytest.approx(1), shape
                    assert weights[frame].sum() == pytest.approx(1), shape
                    moved.add(shape)
    assert len(moved) >= num_shapes
    rotated = {
        gltf.nodes[c.target.node].name
        for c in gltf.animations[-1].channels
        if c.target.path == "rotation"
    }
    assert len(rotated) >= 3
