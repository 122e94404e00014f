"""Writing data packs in the form that `edgeface.reference.data.packs` reads."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from edgeface.output import replace_file
from edgeface.reference.data.pack_labels import MESH_VERTICES
from edgeface.reference.data.packs import FROM_CENTRE
from edgeface.reference.geometry.fit import FOREHEAD
from edgeface.types import AnyArray, FloatArray, ImageArray

SIDE = 256
QUALITY = 92
DRAWN_QUALITY = 80
"""Of WebP, for pictures that are drawn: there are many, and a photo's detail is not in them."""
STAMP = (2020, 1, 1, 0, 0, 0)
"""The date of every member, so that the same content gives the same file."""


def write_pack(
    path: Path, images: Sequence[bytes], suffix: str, labels: dict[str, AnyArray]
) -> None:
    """Write a pack whose images are encoded already; labels in ``image_px``."""
    temporary = path.with_suffix(".part")
    names = [image_name(i, suffix) for i in range(len(images))]
    stored = dict(labels) | {"image": np.array(names)}
    for key in ("landmarks68", "box", "face_box"):
        if key in stored:
            stored[key] = (stored[key] - FROM_CENTRE).astype(np.float32)
    if "mesh478" in stored:
        mesh = stored["mesh478"].astype(np.float32)
        mesh[..., :2] -= FROM_CENTRE
        stored["mesh478"] = mesh.astype(np.float16)
    with zipfile.ZipFile(temporary, "w") as archive:
        for name, content in zip(names, images, strict=True):
            archive.writestr(zipfile.ZipInfo(name, STAMP), content)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **stored)
        archive.writestr(zipfile.ZipInfo("labels.npz", STAMP), buffer.getvalue())
    replace_file(temporary, path)


def image_name(number: int, suffix: str) -> str:
    """The name of an image in a pack, which decides on its split if the pack has no groups."""
    return f"images/{number:05d}.{suffix}"


def encoded(pixels: ImageArray) -> bytes:
    """A picture as a JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


def encoded_small(pixels: ImageArray) -> bytes:
    """A picture as a WebP, which takes half as much."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", quality=DRAWN_QUALITY)
    return buffer.getvalue()


def face_box(mesh: FloatArray) -> FloatArray:
    """The box (4,) that people draw around a face with this mesh; see `Fit.face_boxes`."""
    points = mesh[:MESH_VERTICES, :2]
    low, high = points.min(axis=0), points.max(axis=0)
    low[1] -= FOREHEAD * (high - low)[1]
    return np.concatenate([low, high])


def crop_square(
    image: Image.Image, centre: FloatArray, side: float
) -> tuple[ImageArray, float, FloatArray]:
    """Cut a square out of an image, which goes on beyond its border as its outermost pixels.

    Returns
    -------
    uint8 (256, 256, 3); its pixels per pixel of the image, and the image's point at its corner
    """
    corner = centre - side / 2
    reach = int(np.ceil(max(0.0, -corner.min(), (corner + side - image.size).max())))
    padded = np.pad(np.asarray(image), ((reach, reach), (reach, reach), (0, 0)), mode="edge")
    box = tuple((np.concatenate([corner, corner + side]) + reach).tolist())
    cut = Image.fromarray(padded).resize((SIDE, SIDE), Image.Resampling.LANCZOS, box=box)
    return np.asarray(cut), SIDE / side, corner
