"""Make a small set of training data, to see training run before there are photos.

    python examples/toy_data.py FOLDER

The three packs of single faces hold 60 drawings each of the shipped face model: a person, an
expression and a pose by chance, flat shading, and labels that are exact. A network that learns from
them knows drawings, not people. `docs/how-to/train.md` says what packs of photos hold.
"""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

import edgeface
from edgeface.face_model import EXPRESSION_NAMES, FaceModel

PACKS = ("faces68-300w", "faces68-video", "faces-expressive")
COUNT = 60
SIDE = 192
SHOWN = ("jawOpen", "mouthSmileLeft", "mouthSmileRight", "browDownLeft", "browDownRight")
LIGHT = np.array([0.3, -0.5, 0.8])


def turned(pitch: float, yaw: float, roll: float) -> NDArray[np.float64]:
    """The rotation Rx Ry Rz by angles in degrees."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(r := np.deg2rad([pitch, yaw, roll])), np.sin(r)
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_x @ about_y @ about_z


def draw(mesh: NDArray[Any], triangles: NDArray[Any], random: np.random.Generator) -> Image.Image:
    """A mesh in pixels, far triangles first, lit from the upper left."""
    back, skin = random.integers(30, 220, 3), random.integers(90, 230, 3)
    image = Image.new("RGB", (SIDE, SIDE), tuple(back.tolist()))
    pen = ImageDraw.Draw(image)
    corners = mesh[triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-9
    for i in np.argsort(-corners[:, :, 2].mean(axis=1)):
        shade = 0.45 + 0.55 * abs(normals[i] @ LIGHT)
        colour = tuple(np.clip(skin * shade, 0, 255).astype(int).tolist())
        pen.polygon([tuple(p) for p in corners[i, :, :2].tolist()], fill=colour)
    return image


def make_pack(path: Path, model: FaceModel, random: np.random.Generator) -> None:
    """Write a pack: a zip of pictures and ``labels.npz``."""
    identity = np.concatenate([np.ones((COUNT, 1)), random.normal(0, 0.7, (COUNT, 49))], axis=1)
    scores = np.zeros((COUNT, len(edgeface.ARKIT_NAMES)), np.float32)
    expression = np.zeros((COUNT, len(EXPRESSION_NAMES)), np.float32)
    for name in SHOWN:
        strength = random.uniform(0, 0.7, COUNT)
        scores[:, edgeface.ARKIT_NAMES.index(name)] = strength
        expression[:, EXPRESSION_NAMES.index(name)] = strength
    shapes = model.vertices(identity, expression)
    angles = random.uniform([-12, -30, -20], [12, 30, 20], (COUNT, 3))
    poses = np.stack([turned(*a) for a in angles])
    # into the picture: y down, z away from the viewer, pixels
    meshes = np.einsum("nij,nvj->nvi", poses, shapes) * [1, -1, -1] * SIDE * 0.34
    offset = SIDE / 2 + random.uniform(-4, 4, (COUNT, 1, 2))
    meshes[..., :2] += offset
    posed = np.einsum("nij,nlj->nli", poses, model.landmarks(identity, expression))
    landmarks = posed[..., :2] * [1, -1] * SIDE * 0.34 + offset
    labels: dict[str, Any] = {
        "image": np.array([f"images/{i:03d}.jpg" for i in range(COUNT)]),
        "group": np.array([f"person{i}" for i in range(COUNT)]),
        "source": np.array(["lfpw_train"] * COUNT),
        "box": np.zeros((COUNT, 4), np.float32),
        # ten more vertices, which are irises in photos
        "mesh478": np.pad(meshes, ((0, 0), (0, 10), (0, 0)), "edge"),
        "blendshapes52": scores,
        "blendshape_names": np.array(edgeface.ARKIT_NAMES),
    }
    labels["mesh478"] = labels["mesh478"].astype(np.float32)
    if path.stem != "faces-expressive":
        labels["landmarks68"] = landmarks.astype(np.float32)
    with zipfile.ZipFile(path, "w") as archive:
        for name, mesh in zip(labels["image"], meshes, strict=True):
            picture = io.BytesIO()
            draw(mesh, model.triangles, random).save(picture, "JPEG", quality=92)
            archive.writestr(str(name), picture.getvalue())
        content = io.BytesIO()
        np.savez(content, **labels)
        archive.writestr("labels.npz", content.getvalue())


def main() -> None:
    """Write the packs into the folder that the command line names."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    model, random = edgeface.default_face_model(), np.random.default_rng(0)
    for name in PACKS:
        make_pack(folder / f"{name}.zip", model, random)
    print(f"{len(PACKS)} packs of {COUNT} drawn faces, in {folder}")


if __name__ == "__main__":
    main()
