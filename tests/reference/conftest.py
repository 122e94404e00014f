"""Small data packs whose labels are exact projections of the shipped face model."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from edgeface.face_model import FaceModel
from edgeface.gaze import iris_centres
from edgeface.reference.data.packs import expression_scores
from edgeface.reference.geometry.fit import Fit

TEACHER_NAMES = [
    "_neutral",
    "browDownLeft",
    "browDownRight",
    "browInnerUp",
    "browOuterUpLeft",
    "browOuterUpRight",
    "cheekPuff",
    "cheekSquintLeft",
    "cheekSquintRight",
    "eyeBlinkLeft",
    "eyeBlinkRight",
    "eyeLookDownLeft",
    "eyeLookDownRight",
    "eyeLookInLeft",
    "eyeLookInRight",
    "eyeLookOutLeft",
    "eyeLookOutRight",
    "eyeLookUpLeft",
    "eyeLookUpRight",
    "eyeSquintLeft",
    "eyeSquintRight",
    "eyeWideLeft",
    "eyeWideRight",
    "jawForward",
    "jawLeft",
    "jawOpen",
    "jawRight",
    "mouthClose",
    "mouthDimpleLeft",
    "mouthDimpleRight",
    "mouthFrownLeft",
    "mouthFrownRight",
    "mouthFunnel",
    "mouthLeft",
    "mouthLowerDownLeft",
    "mouthLowerDownRight",
    "mouthPressLeft",
    "mouthPressRight",
    "mouthPucker",
    "mouthRight",
    "mouthRollLower",
    "mouthRollUpper",
    "mouthShrugLower",
    "mouthShrugUpper",
    "mouthSmileLeft",
    "mouthSmileRight",
    "mouthStretchLeft",
    "mouthStretchRight",
    "mouthUpperUpLeft",
    "mouthUpperUpRight",
    "noseSneerLeft",
    "noseSneerRight",
]


def rotation(pitch: float, yaw: float, roll: float) -> NDArray[Any]:
    """Rx Ry Rz of angles in degrees."""
    x, y, z = np.deg2rad([pitch, yaw, roll])
    rx = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    ry = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    rz = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    return rx @ ry @ rz


def random_faces(
    model: FaceModel, count: int, random: np.random.Generator, centre: float, scale: float
) -> tuple[Fit, NDArray[Any]]:
    """Faces with known parameters, and the teacher's scores (N, 52) of their expressions."""
    scores = np.zeros((count, len(TEACHER_NAMES)), np.float32)
    for name in ("jawOpen", "mouthSmileLeft", "mouthSmileRight", "browInnerUp"):
        scores[:, TEACHER_NAMES.index(name)] = random.uniform(0, 0.8, count)
    angles = random.uniform([-12, -30, -20], [12, 30, 20], (count, 3))
    return Fit(
        identity=np.concatenate([np.ones((count, 1)), random.normal(0, 0.7, (count, 49))], axis=1),
        expression=expression_scores(scores, np.array(TEACHER_NAMES)),
        rotation=np.stack([rotation(*a) for a in angles]),
        scale_px=random.uniform(0.9, 1.1, count) * scale,
        origin_px=centre + random.uniform(-5, 5, (count, 2)),
        residual=np.zeros(count),
    ), scores


def teacher_meshes(model: FaceModel, fit: Fit) -> NDArray[np.float32]:
    """Meshes (N, 478, 3) as the packs store them: ``image_px``, z towards the back.

    The eyes look straight ahead out of the head.
    """
    shapes = model.vertices(fit.identity, fit.expression)
    posed = np.einsum("nij,nvj->nvi", fit.rotation, shapes) * fit.scale_px[:, None, None]
    posed = posed * [1, -1, -1]
    posed[..., :2] += fit.origin_px[:, None]
    landmarks = fit.place(model.landmarks(fit.identity, fit.expression))
    ahead = iris_centres(landmarks, fit.rotation, np.zeros((len(posed), 2, 2)))
    irises = np.repeat(np.pad(ahead, ((0, 0), (0, 0), (0, 1))), 5, axis=1)
    return np.concatenate([posed, irises], axis=1).astype(np.float32)


def write_pack(path: Path, images: list[NDArray[np.uint8]], labels: dict[str, Any]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        names = [f"images/{i:05d}.jpg" for i in range(len(images))]
        for name, pixels in zip(names, images, strict=True):
            buffer = io.BytesIO()
            Image.fromarray(pixels).save(buffer, "JPEG")
            archive.writestr(name, buffer.getvalue())
        if labels:
            buffer = io.BytesIO()
            np.savez(buffer, image=np.array(names), **labels)
            archive.writestr("labels.npz", buffer.getvalue())


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing that an earlier run kept is used, nor anything left behind."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEFACE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def tiny_packs(tmp_path_factory: pytest.TempPathFactory, face_model: FaceModel) -> Path:
    """All five packs, 40 images each, of noise with a dot at every landmark."""
    folder = tmp_path_factory.mktemp("packs")
    random = np.random.default_rng(7)
    count = 40
    for name in ("faces68-300w", "faces68-video", "faces-expressive"):
        fit, scores = random_faces(face_model, count, random, 128.0, 88.0)
        labels: dict[str, Any] = {
            "group": np.array([f"person{i // 2}" for i in range(count)]),
            "source": np.array(["lfpw_train"] * count),
            "box": np.zeros((count, 4), np.float32),
            "mesh478": teacher_meshes(face_model, fit),
            "blendshapes52": scores,
            "blendshape_names": np.array(TEACHER_NAMES),
        }
        if name != "faces-expressive":
            labels["landmarks68"] = fit.landmarks(face_model).astype(np.float32)
            labels["mesh478"][3] = np.nan
        images = [dotted(random, 256, 256, p[None]) for p in fit.landmarks(face_model)]
        write_pack(folder / f"{name}.zip", images, labels)
    fit, scores = random_faces(face_model, count, random, 150.0, 40.0)
    boxes = fit.face_boxes(face_model)
    far = np.tile([[260.0, 10.0, 264.0, 15.0]], (count, 1))
    write_pack(
        folder / "multiface-wider.zip",
        [dotted(random, 240, 300, p[None]) for p in fit.landmarks(face_model)],
        {
            "original": np.array([f"{i}.jpg" for i in range(count)]),
            "size_hw": np.tile([[240, 300]], (count, 1)),
            "face_image": np.repeat(np.arange(count), 2),
            "face_box": np.stack([boxes, far], axis=1).reshape(-1, 4).astype(np.float32),
            "face_attr": np.tile([[0, 0, 0, 0], [2, 0, 0, 1]], (count, 1)).astype(np.int8),
            "mesh_face": np.arange(0, 2 * count, 2),
            "mesh478": teacher_meshes(face_model, fit),
            "blendshapes52": scores,
            "blendshape_names": np.array(TEACHER_NAMES),
        },
    )
    empty = [random.integers(0, 256, (200, 180, 3), np.uint8) for _ in range(count)]
    write_pack(folder / "negatives.zip", empty, {})
    return folder


def dotted(
    random: np.random.Generator, height: int, width: int, points: NDArray[Any]
) -> NDArray[np.uint8]:
    image = random.integers(60, 120, (height, width, 3), np.uint8)
    for x, y in points.reshape(-1, 2).astype(int):
        image[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2] = 255
    return image
