"""The template: the face, its expressions and its skin that personal models are corrections of."""

from __future__ import annotations

import hashlib
import io
import json
import os
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike

from edgeface import strict_json
from edgeface.archives import arrays_of
from edgeface.errors import InvalidInputError, ModelFormatError
from edgeface.face_model import EXPRESSION_NAMES, NUM_LANDMARKS
from edgeface.file_bytes import bytes_of
from edgeface.types import AnyArray, Float32Array, ImageArray, IntArray
from edgeface.values import SHA256, Free, Record, Several, Text, Version, array_of, path_of

FORMAT = "edgeface-personal-template"
VERSION = (1, 0)
MAX_BYTES = 1 << 28
"""The most that all arrays take, 256 MiB; those of the template that ships take 5."""
UNIT_MM = 100.0
"""Millimetres in one unit of length of the template and of personal models."""

_ARRAYS = (
    "neutral", "identity", "expression", "triangles", "uv", "attention", "regions",
    "landmark_vertices", "mesh_vertices", "albedo",
)  # fmt: skip

REGIONS = ("none", "skin", "brows", "nose", "lips")
"""What the numbers in `Template.regions` mean."""

# Shapes of ICT-FaceKit that ARKit does not split, or calls otherwise.
_ARKIT_PARTS = {
    "browInnerUp": ("browInnerUp_L", "browInnerUp_R"),
    "cheekPuff": ("cheekPuff_L", "cheekPuff_R"),
}
_HEADER = Record(
    required={
        "version": Version(VERSION[0]),
        "sha256": SHA256,
        "expression_names": Several(Text(100), 1, 1000, unique=True),
    },
    optional={"info": Free()},
)


@dataclass(frozen=True)
class Template:
    """A face with its shapes, its skin and its surface, shared by all personal models.

    The ``model`` frame in units of 10 cm: x to the face's left, y up, z out of the face.

    Attributes
    ----------
    neutral : float32, shape (V, 3); ``S_0``
    identity : float32, shape (I, V, 3); modes in units of one standard deviation
    expression : float32, shape (K, V, 3); offsets of the K blendshapes from the neutral shape
    expression_names : tuple of K str, ICT-FaceKit's
    triangles : int32, shape (T, 3); counter-clockwise seen from outside
    uv : float32, shape (V, 2), in [0, 1]; u right and v down over the maps, one place a vertex
    attention : uint8, shape (K, R, R); ``A_i`` times 255: where shape i may be corrected
    regions : uint8, shape (R, R); parts of the face, see `REGIONS`
    landmark_vertices : int32, shape (68,); the vertex at each of the 68 landmarks
    mesh_vertices : int32, shape (468,); the vertex at each point of the teacher's mesh, or -1
    albedo : uint8, shape (R, R, 3); ``R_0``, the mean skin, sRGB values as images have them
    info : free text for people: name, licence, sources
    """

    neutral: Float32Array
    identity: Float32Array
    expression: Float32Array
    triangles: IntArray
    uv: Float32Array
    attention: ImageArray
    regions: ImageArray
    landmark_vertices: IntArray
    mesh_vertices: IntArray
    albedo: ImageArray
    expression_names: tuple[str, ...]
    info: dict[str, Any] = field(default_factory=lambda: {})

    def __post_init__(self) -> None:
        _validate(self)

    def __repr__(self) -> str:
        return (
            f"Template({len(self.neutral)} vertices, {len(self.triangles)} triangles, "
            f"{len(self.identity)} identity modes, {len(self.expression)} shapes)"
        )

    @property
    def map_size(self) -> int:
        """Side of the maps in texels, ``R``."""
        return self.regions.shape[0]

    @cached_property
    def sha256(self) -> str:
        """Hash of all arrays and names, hex; personal models name the template they belong to."""
        digest = hashlib.sha256("\n".join(self.expression_names).encode())
        for name in _ARRAYS:
            array = np.ascontiguousarray(getattr(self, name))
            digest.update(f"{name}{array.shape}{array.dtype.str}".encode())
            digest.update(array.tobytes())
        return digest.hexdigest()

    @cached_property
    def arkit_names(self) -> tuple[str, ...]:
        """The name that ARKit gives each of the K shapes; two shapes may share one."""
        whole = {part: name for name, parts in _ARKIT_PARTS.items() for part in parts}
        return tuple(
            whole.get(n, n.replace("_L", "Left").replace("_R", "Right"))
            for n in self.expression_names
        )

    def from_expression(self, coefficients: ArrayLike) -> Float32Array:
        """Convert expression coefficients of a face model to weights of the template's shapes.

        Parameters
        ----------
        coefficients : float, shape (..., 46), in [0, 1], as `Faces.expression_coeffs`

        Returns
        -------
        float32, shape (..., K), in the order of ``expression_names``
            ``eyeLookUp`` and ``eyeLookDown`` move the lids of both eyes. Shapes without a
            coefficient have the weight 0.

        Raises
        ------
        InvalidInputError
            If there are not 46 coefficients, or they are no finite numbers.
        """
        e = array_of("the expression", coefficients, "(..., 46)").astype(np.float32)
        if e.shape[-1:] != (len(EXPRESSION_NAMES),):
            raise InvalidInputError(f"expected expression (..., 46), got the shape {e.shape}")
        columns = [_column(name) for name in self.expression_names]
        zero = np.zeros((*e.shape[:-1], 1), np.float32)
        return np.concatenate([e, zero], axis=-1)[..., columns]

    def to_bytes(self) -> bytes:
        """The ``.npz`` file as bytes: the arrays, and a JSON header under ``header``."""
        header = {
            "format": FORMAT,
            "version": list(VERSION),
            "sha256": self.sha256,
            "expression_names": list(self.expression_names),
            "info": self.info,
        }
        arrays: dict[str, AnyArray] = {name: getattr(self, name) for name in _ARRAYS}
        for name in ("identity", "expression"):
            half = arrays[name].astype(np.float16)
            if np.array_equal(half.astype(np.float32), arrays[name]):
                arrays[name] = half
        arrays["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **arrays)
        return buffer.getvalue()

    @staticmethod
    def load(path: str | os.PathLike[str]) -> Template:
        """Read a template that `to_bytes` wrote.

        Raises
        ------
        InvalidInputError
            If the file cannot be read.
        ModelFormatError
            If it is damaged, of another kind, or of a newer major version.
        """
        file = path_of("path", path)
        try:
            data = bytes_of(file, MAX_BYTES)
        except OSError as error:
            raise InvalidInputError(f"cannot read the template {path}: {error}") from error
        except ValueError as error:
            raise ModelFormatError(f"{path} is no template: {error}") from error
        try:
            stored = arrays_of(data, MAX_BYTES)
            parsed = strict_json.parse(stored["header"].tobytes())
            arrays = {name: stored[name] for name in _ARRAYS}
        except Exception as error:  # zipfile, zlib and numpy have each their own
            raise ModelFormatError(f"{path} is no template, or is damaged: {error}") from error
        header = cast(dict[str, Any], parsed) if isinstance(parsed, dict) else {}
        if header.get("format") != FORMAT:
            raise ModelFormatError(f"{path} is no template: it lacks 'format'")
        try:
            header = _HEADER.check(header, "")
            for name in ("identity", "expression"):
                arrays[name] = arrays[name].astype(np.float32)
            template = Template(
                **arrays,
                expression_names=header["expression_names"],
                info=header.get("info", {}),
            )
        except (InvalidInputError, TypeError, ValueError) as error:
            raise ModelFormatError(f"{path} is damaged: {error}") from error
        if header.get("sha256") != template.sha256:
            raise ModelFormatError(f"{path} is damaged: its arrays do not match its hash")
        return template


@cache
def default_template() -> Template:
    """The template that ships with edgeface (see ``edgeface/assets/template.md``)."""
    return Template.load(Path(__file__).parents[1] / "assets" / "template.npz")


def _column(name: str) -> int:
    """Which of the 46 coefficients moves a shape of ICT-FaceKit; 46 for none."""
    arkit = name.replace("_L", "Left").replace("_R", "Right")
    for candidate in (arkit, arkit.removesuffix("Left").removesuffix("Right")):
        # jawLeft and mouthRight are directions: their names lose nothing
        if candidate in EXPRESSION_NAMES:
            return EXPRESSION_NAMES.index(candidate)
    return len(EXPRESSION_NAMES)


def _validate(template: Template) -> None:
    v, k, r = len(template.neutral), len(template.expression_names), len(template.regions)
    shapes = {
        "neutral": (v, 3),
        "identity": (len(template.identity), v, 3),
        "expression": (k, v, 3),
        "triangles": (len(template.triangles), 3),
        "uv": (v, 2),
        "attention": (k, r, r),
        "regions": (r, r),
        "landmark_vertices": (NUM_LANDMARKS,),
        "mesh_vertices": (468,),
        "albedo": (r, r, 3),
    }
    kinds = {"triangles": np.int32, "landmark_vertices": np.int32, "mesh_vertices": np.int32}
    kinds |= {"attention": np.uint8, "regions": np.uint8, "albedo": np.uint8}
    for name, shape in shapes.items():
        array, kind = getattr(template, name), kinds.get(name, np.float32)
        if array.shape != shape or array.dtype != kind:
            raise InvalidInputError(
                f"{name} must be {np.dtype(kind)} of the shape {shape}, got {array.dtype} "
                f"{array.shape}"
            )
        if kind is np.float32 and not np.isfinite(array).all():
            raise InvalidInputError(f"{name} contains values that are not finite")
        lowest = -1 if name == "mesh_vertices" else 0
        if kind is np.int32 and array.size and not lowest <= array.min() <= array.max() < v:
            raise InvalidInputError(f"{name} points outside the {v} vertices")
