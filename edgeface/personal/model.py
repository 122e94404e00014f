"""A personal model: one person's face, blendshapes and skin, in numpy."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike

from edgeface.errors import InvalidInputError, ModelFormatError
from edgeface.output import write_output
from edgeface.personal import layout
from edgeface.personal.template import Template, default_template
from edgeface.types import Float32Array, FloatArray
from edgeface.values import (
    Choice,
    Mapped,
    Record,
    Several,
    Text,
    Whole,
    array_of,
    option,
    path_of,
    shown,
)

SUFFIX = ".efp"
LEAST_SIDE = 2
"""Texels a side of the smallest map, of which one lies between others."""
LARGEST = 1e4
"""The largest magnitude of a number in a model."""
_REPORT = Record(
    required={},
    optional={
        "refused": Mapped(Whole(0, 10**9)),
        "warnings": Several(Text(1000), 0, 100),
    },
)


@dataclass(frozen=True, eq=False)
class PersonalModel:
    """The face of one person: shape, blendshapes and skin. `edgeface.personalise` makes it.

    `shape` gives the surface with an expression, `albedo` its skin; `save` and `load` keep it in an
    ``.efp`` file. To move it by the faces of a video, give it to `edgeface.Tracker`.

    Attributes
    ----------
    template : the general face that is corrected
    identity : float32, shape (I,), weights of the template's identity modes
    neutral : float32, shape (3, S, S), a UV map, units of 10 cm
        The correction of the neutral face, ``Delta_0^S``.
    shapes : float32, shape (K, 3, S, S), UV maps, units of 10 cm
        The correction of each blendshape, ``A_i Delta_i^S``.
    skin : float32, shape (R, R, 3), RGB in [0, 1]
        The neutral skin, ``R_0 + Delta_0^R``.
    dynamic_skin : float32, shape (K, D, D, 3), UV maps
        How each blendshape changes the skin, ``A_i Delta_i^R``.
    unseen : names of the blendshapes that the person never showed; they are the template's
    report : errors, frames and warnings of the fit, for people to read

    Notes
    -----
    The symbols are those of Chaudhuri et al. 2020, Eqs. 1 and 2. A personal model is biometric
    data. It does not contain the frames that it was made from.
    """

    template: Template
    identity: Float32Array
    neutral: Float32Array
    shapes: Float32Array
    skin: Float32Array
    dynamic_skin: Float32Array
    unseen: tuple[str, ...] = ()
    report: dict[str, Any] = field(default_factory=lambda: {})

    def __post_init__(self) -> None:
        if not isinstance(cast(object, self.template), Template):
            raise InvalidInputError(f"template must be a Template, got {shown(self.template)}")
        k = len(self.template.expression_names)
        s, r, d = (
            max([*np.shape(array)[1:2], LEAST_SIDE])
            for array in (self.neutral, self.skin, self.dynamic_skin)
        )
        shapes = {
            "identity": (len(self.template.identity),),
            "neutral": (3, s, s),
            "shapes": (k, 3, s, s),
            "skin": (r, r, 3),
            "dynamic_skin": (k, d, d, 3),
        }
        for name, shape in shapes.items():
            array = array_of(name, getattr(self, name), str(shape))
            if array.shape != shape:
                raise InvalidInputError(f"{name} must have the shape {shape}, got {array.shape}")
            if np.abs(array).max() > LARGEST:
                raise InvalidInputError(f"{name} contains values beyond {LARGEST:g}")
            object.__setattr__(self, name, array.astype(np.float32))
        known = Several(Choice(self.template.expression_names), 0, k, unique=True)
        unseen: Any = self.unseen
        names = option("unseen", unseen if isinstance(unseen, str) else list(unseen or ()), known)
        object.__setattr__(self, "unseen", names)
        option("report", self.report, _REPORT)

    def __repr__(self) -> str:
        seen = len(self.template.expression_names) - len(self.unseen)
        return f"PersonalModel({seen} of {len(self.template.expression_names)} shapes seen)"

    @cached_property
    def neutral_vertices(self) -> Float32Array:
        """The person's neutral face, float32, shape (V, 3), ``model`` frame, units of 10 cm."""
        modes = np.tensordot(self.identity, self.template.identity, axes=1)
        return self.template.neutral + modes + sample_maps(self.neutral[None], self.template.uv)[0]

    @cached_property
    def offsets(self) -> Float32Array:
        """The offsets of the person's blendshapes from the neutral face, float32, (K, V, 3)."""
        return self.template.expression + sample_maps(self.shapes, self.template.uv)

    def shape(self, blendshapes: Mapping[str, float] | ArrayLike) -> Float32Array:
        """The face with an expression (Eq. 1).

        Parameters
        ----------
        blendshapes : scores in [0, 1] by ARKit's names, as in `Face.blendshapes`, or weights (K,)
            Scores that are NaN, and names that the template does not have, are ignored. Weights are
            in the order of the template's ``expression_names``.

        Returns
        -------
        float32, shape (V, 3), ``model`` frame, units of 10 cm
        """
        weights = self._weights(blendshapes)
        active = np.flatnonzero(weights)
        return self.neutral_vertices + np.tensordot(weights[active], self.offsets[active], axes=1)

    def albedo(self, blendshapes: Mapping[str, float] | ArrayLike) -> Float32Array:
        """The skin texture with an expression (Eq. 2); arguments as for `shape`.

        Returns
        -------
        float32, shape (R, R, 3), RGB in [0, 1], in the UV coordinates of ``template.uv``
        """
        weights = self._weights(blendshapes)
        active = np.flatnonzero(weights)
        dynamic = np.tensordot(weights[active], self.dynamic_skin[active], axes=1)
        return np.clip(self.skin + _enlarged(dynamic, len(self.skin)), 0, 1)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write an ``.efp`` file (``docs/reference/personal-file.md`` specifies it).

        Raises
        ------
        InvalidInputError
            If the file cannot be written.
        """
        write_output(path, self.to_bytes())

    def to_bytes(self) -> bytes:
        """The ``.efp`` file as bytes; maps are rounded to 8 bits, the neutral one to 16."""
        arrays = {
            "identity": layout.Stored(self.identity.astype("<f4")),
            "neutral": layout.quantised(self.neutral[None], np.int16),
            "shapes": layout.quantised(self.shapes, np.int8),
            "skin": layout.Stored(np.rint(np.clip(self.skin, 0, 1) * 255).astype(np.uint8)),
            "dynamic_skin": layout.quantised(self.dynamic_skin, np.int8),
        }
        header = {
            "template_sha256": self.template.sha256,
            "unseen": list(self.unseen),
            "report": self.report,
        }
        return layout.pack(header, arrays)

    @staticmethod
    def load(path: str | os.PathLike[str], template: Template | None = None) -> PersonalModel:
        """Read an ``.efp`` file.

        Raises
        ------
        InvalidInputError
            If the file cannot be read.
        ModelFormatError
            If it is damaged, no ``.efp`` file, of a newer major version, or made with another
            template.
        """
        try:
            with path_of("path", path).open("rb") as file:
                data = file.read(layout.MAX_BYTES + 1)
        except OSError as error:
            raise InvalidInputError(f"cannot read the personal model {path}: {error}") from error
        return PersonalModel.from_bytes(data, template, source=str(path))

    @staticmethod
    def from_bytes(
        data: bytes, template: Template | None = None, source: str = "personal model"
    ) -> PersonalModel:
        """Inverse of `to_bytes`; ``source`` names the file in errors."""
        template = default_template() if template is None else template
        if not isinstance(cast(object, template), Template):
            raise InvalidInputError(f"template must be a Template, got {shown(template)}")
        if not isinstance(cast(object, data), (bytes, bytearray, memoryview)):
            raise InvalidInputError(f"{source} must be bytes, got {shown(data)}")
        header, arrays = layout.unpack(bytes(data), source)
        if header.get("template_sha256") != template.sha256:
            raise ModelFormatError(
                f"{source} belongs to another template than this release of edgeface has: enrol "
                "the person again"
            )
        try:
            return PersonalModel(
                template=template,
                identity=arrays["identity"],
                neutral=arrays["neutral"][0],
                shapes=arrays["shapes"],
                skin=(arrays["skin"] / 255).astype(np.float32),
                dynamic_skin=arrays["dynamic_skin"],
                unseen=tuple(str(name) for name in header["unseen"]),
                report=dict(header["report"]),
            )
        except (InvalidInputError, KeyError, IndexError, TypeError, ValueError) as error:
            raise ModelFormatError(f"{source} is damaged: {error}") from error

    def _weights(self, blendshapes: Mapping[str, float] | ArrayLike) -> Float32Array:
        given: Any = blendshapes
        if isinstance(blendshapes, Mapping):
            scores = [blendshapes.get(n, 0.0) for n in self.template.arkit_names]
            given = [0.0 if score != score else score for score in scores]  # NaN is not seen
        weights = array_of("the weights", given, f"({len(self.offsets)},)")
        if weights.shape != (len(self.offsets),) or np.abs(weights).max() > LARGEST:
            raise InvalidInputError(
                f"expected {len(self.offsets)} weights, or scores by ARKit's names, of at most "
                f"{LARGEST:g}, got {shown(blendshapes)} of the shape {weights.shape}"
            )
        return weights.astype(np.float32)


def sample_maps(maps: Float32Array, uv: Float32Array) -> Float32Array:
    """``F``: maps (N, 3, S, S) at places (V, 2) in [0, 1], shape (N, V, 3)."""
    texels = maps.transpose(2, 3, 0, 1).reshape(*maps.shape[2:], -1)
    values = sample_texture(texels, uv).reshape(len(uv), len(maps), 3)
    return np.ascontiguousarray(values.transpose(1, 0, 2))


def sample_texture(texture: FloatArray, uv: FloatArray) -> Float32Array:
    """The channels (P, C) of a texture (S, S, C) at places (P, 2) in [0, 1].

    Bilinear between texel centres, which lie at ``(i + 0.5) / S``; beyond the outermost centres the
    outermost texel.
    """
    side = len(texture)
    place = np.clip(uv * side - 0.5, 0, side - 1)
    low = np.minimum(place.astype(np.int64), side - 2)
    x, y = (place - low).astype(np.float32).T[..., None]
    flat = texture.reshape(side * side, -1)
    first = low[:, 1] * side + low[:, 0]
    top = flat[first] * (1 - x) + flat[first + 1] * x
    bottom = flat[first + side] * (1 - x) + flat[first + side + 1] * x
    return (top * (1 - y) + bottom * y).astype(np.float32)


def _enlarged(image: Float32Array, side: int) -> Float32Array:
    """An image (D, D, 3) at a larger size, bilinear between texel centres."""
    if len(image) == side:
        return image
    place = np.clip((np.arange(side) + 0.5) * len(image) / side - 0.5, 0, len(image) - 1)
    low = np.minimum(place.astype(np.int64), len(image) - 2)
    share = (place - low).astype(np.float32)
    rows = image[low] * (1 - share)[:, None, None] + image[low + 1] * share[:, None, None]
    return (
        rows[:, low] * (1 - share)[None, :, None] + rows[:, low + 1] * share[None, :, None]
    ).astype(np.float32)
