"""Packs of portraits under free terms, labelled by the teacher and, where there are, by people."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from edgeface.reference.data.ledger import Ledger
from edgeface.reference.data.packs import FROM_CENTRE
from edgeface.reference.free.packing import crop_square, encoded, write_pack
from edgeface.reference.free.teacher import Teacher
from edgeface.reference.free.templates import landmarks_of_template, read_template
from edgeface.types import FloatArray

PEOPLE_PACK, PORTRAITS_PACK = "faces68-webmorph", "faces-free"
FILLED = 0.5
"""The share of a crop's side that the box of the landmarks takes."""
MESH_FILLED = 0.57
"""Likewise of the box of the mesh, which reaches higher."""
UNKNOWN_POINTS = np.full((68, 2), np.nan, np.float32)
UNKNOWN = {"landmarks68": UNKNOWN_POINTS, "sex": "", "age": "", "origin": ""}


@dataclass(frozen=True)
class Portrait:
    """A photo of one face: its file, its person and its source, and what people said of it."""

    path: Path
    group: str
    source: str
    template: Path | None = None
    sex: str = ""
    age: str = ""
    origin: str = ""


def write_people_pack(folder: Path, ledger: Ledger, teacher: Teacher, out: Path) -> None:
    """Write `PEOPLE_PACK` from a checkout of webmorphR.stim: its people placed 189 points."""
    rows = [_labelled(portrait, ledger, teacher) for portrait in _webmorph(folder, ledger)]
    _write([row for row in rows if row], teacher, out / f"{PEOPLE_PACK}.zip")


def write_portraits_pack(
    portraits: Path, photos: Path, ledger: Ledger, teacher: Teacher, out: Path
) -> None:
    """Write `PORTRAITS_PACK`: portraits of members of Congress, and photos of ``interfaces``.

    Parameters
    ----------
    portraits : the pack ``faces-portraits.zip``; those of its images that the ledger lists are
        taken as they are, and labelled anew
    photos : a folder of photos; all must be in the ledger
    """
    rows = list(_congress(portraits, ledger, teacher))
    for path in sorted(photos.glob("*.jpg")):
        row = _labelled(Portrait(path, f"interfaces-{path.stem}", "interfaces"), ledger, teacher)
        rows += [row] if row else []
    _write(rows, teacher, out / f"{PORTRAITS_PACK}.zip")


def _webmorph(folder: Path, ledger: Ledger) -> Iterator[Portrait]:
    for info, parts in (
        ("london_info.csv", ("neutral_front", "smiling_front")),
        ("canada_info.csv", ("canada",)),
    ):
        text = ledger.read(folder / "data-raw" / info).decode()
        people = {row["face_id"]: row for row in csv.DictReader(io.StringIO(text))}
        for path in sorted(p for part in parts for p in (folder / "inst" / part).glob("*.jpg")):
            name = path.stem.split("_")[0]
            person = people[name]
            sex, age = person["face_gender"], person["face_age"]
            origin = person.get("face_eth", "white")
            template = path.with_suffix(".tem")  # smiling faces have none
            known = template if template.is_file() else None
            yield Portrait(path, name, "webmorph", known, sex, age, origin)


def _congress(path: Path, ledger: Ledger, teacher: Teacher) -> Iterator[dict[str, Any]]:
    with zipfile.ZipFile(path) as archive:
        labels = np.load(io.BytesIO(archive.read("labels.npz")), allow_pickle=False)
        names, groups = labels["image"].tolist(), labels["group"].tolist()
        for name, group in zip(names, groups, strict=True):
            content = archive.read(name)
            if ledger.source_of(content) != "congress":
                continue
            pixels = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
            found = teacher.look(pixels)
            if found:
                yield UNKNOWN | {
                    "image": encoded(pixels), "group": group, "source": "congress",
                    "mesh478": found[0], "blendshapes52": found[1],
                }  # fmt: skip


def _labelled(portrait: Portrait, ledger: Ledger, teacher: Teacher) -> dict[str, Any] | None:
    """A crop of a portrait with its labels; None if the teacher sees no face."""
    content = ledger.read(portrait.path)
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert("RGB")
    found = teacher.look(np.asarray(image))
    if found is None:
        return None
    mesh, scores = found
    box, filled, points = mesh[:, :2], MESH_FILLED, UNKNOWN_POINTS
    if portrait.template:
        ledger.read(portrait.template)
        # templates have their origin at the first pixel's centre
        points = landmarks_of_template(read_template(portrait.template)) + FROM_CENTRE
        box, filled = points, FILLED
    low, high = box.min(axis=0), box.max(axis=0)
    side = float((high - low).max()) / filled
    pixels, scale, corner = crop_square(image, (low + high) / 2, side)
    return {
        "image": encoded(pixels),
        "landmarks68": _moved(points, scale, corner),
        "mesh478": _moved(mesh, scale, corner),
        "blendshapes52": scores,
        "group": portrait.group,
        "source": portrait.source,
        "sex": portrait.sex,
        "age": portrait.age,
        "origin": portrait.origin,
    }


def _moved(points: FloatArray, scale: float, corner: FloatArray) -> FloatArray:
    moved = np.array(points, np.float64)
    moved[:, :2] -= corner
    return moved * scale


def _write(rows: list[dict[str, Any]], teacher: Teacher, path: Path) -> None:
    keys = [key for key in rows[0] if key != "image"]
    labels = {key: np.array([row[key] for row in rows]) for key in keys}
    labels["blendshape_names"] = np.array(teacher.names)
    write_pack(path, [row["image"] for row in rows], "jpg", labels)
