"""What a model file says of itself: the JSON under its key ``edgeface``.

``docs/reference/model-format.md`` specifies it for other languages.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, cast

import numpy as np

from edgeface import strict_json
from edgeface.blendshapes import blendshapes
from edgeface.errors import InvalidInputError, MetadataError
from edgeface.face_model import NUM_EXPRESSIONS
from edgeface.face_model_file import EXPRESSION_LIST, HEADER
from edgeface.kinds import KINDS, NetworkKind
from edgeface.values import (
    SHA256,
    Choice,
    Flag,
    Free,
    Mapped,
    Number,
    Record,
    Several,
    Text,
    Version,
    Whole,
    option,
    shown,
)

KEY = "edgeface"
FACE_MODEL_KEY = "edgeface_face_model"
"""The key of the face model's ``.npz``, which is base64 if the format holds text only."""
SCHEMA_VERSION = (1, 5)
WIDE_SCHEMA_VERSION = (2, 0)
"""The version of files with a ``cell_range`` other than 1, which older readers must not read."""
PAD_VALUE = 127
SIZE_STEP = 32
MAX_INPUT_SIZE = 4096
"""The side of the largest input, px, with two hundred times the shipped networks' arithmetic."""
LICENCE = Text(longest=2000)
"""What a recipe, and the files made by it, may say of the terms of weights."""
MAX_CELL_RANGE = 3.0
PRECISIONS = ("fp32", "fp16", "int8", "w8", "palette")


@dataclass(frozen=True)
class Metadata:
    """Everything that is needed to run a network file and to read its outputs.

    Attributes
    ----------
    kind : the name of the network's kind, a key of `edgeface.kinds.KINDS`
    name : what people call the network
    input_size : the side of the square input, px
    any_size : whether the file takes inputs of every multiple of ``SIZE_STEP`` px
    stride : the side of a grid cell of a network that detects, input px; 0 for other networks
    cell_range : how far a face's centre can move, in cells, around the middle of the cell that
        answers for it. Of 1, it stays in the cell; of 2, neighbouring cells answer, too.
    anchors : the box priors of a network that detects, (width, height) in input px each
    score_threshold : the least score of a face that a network that detects reports by default
    iou_threshold : the overlap with a better box beyond which it suppresses a box by default
    crop_scale : the side of the crop that a network of crops sees, in longer sides of the face box
    gaze : whether the network has the output ``gaze``, which tells where both eyes look
    expression_names : the names of the 46 expression coefficients, in their order
    unseen_expressions : the names of those that no training label ever moved
    face_model_sha256 : the hash of the face model that the outputs speak of
    dense_mesh : whether the file carries that face model's dense mesh, or its landmark basis alone
    precision : the precision of weights and arithmetic, a key of `edgeface.compare.LIMITS`
    licence : the terms under which the weights may be used
    training : how the network was trained, for people
    parity : how much the file differs from the network that it was converted from
    graph : the operators of the file by kind, and the bytes of its weights by layer
    checksummed : whether the metadata was read from a file that carries checksums
    file_size : the input size that the file names, if ``input_size`` is another; otherwise 0
    """

    kind: str
    name: str
    input_size: int
    expression_names: tuple[str, ...]
    face_model_sha256: str
    licence: str
    any_size: bool = False
    dense_mesh: bool = True
    stride: int = 0
    cell_range: float = 1.0
    anchors: tuple[tuple[float, float], ...] = ()
    score_threshold: float = 0.0
    iou_threshold: float = 0.0
    crop_scale: float = 0.0
    gaze: bool = False
    unseen_expressions: tuple[str, ...] = ()
    precision: str = "fp32"
    training: dict[str, Any] = field(default_factory=lambda: {})
    parity: dict[str, Any] = field(default_factory=lambda: {})
    graph: dict[str, Any] = field(default_factory=lambda: {})
    checksummed: bool = field(default=False, compare=False)
    file_size: int = field(default=0, compare=False)

    @property
    def network_kind(self) -> NetworkKind:
        """What all networks of this kind have in common."""
        return KINDS[self.kind]

    @property
    def detects(self) -> bool:
        """Whether the network finds faces itself; others look at crops of boxes they are given."""
        return self.network_kind.detects

    @property
    def output_names(self) -> tuple[str, ...]:
        """The names of the network's outputs in order."""
        return tuple(self.outputs)

    @property
    def outputs(self) -> Mapping[str, int]:
        """The network's outputs in order, and how many values each has for one face."""
        return self.network_kind.outputs_with(gaze=self.gaze)

    @property
    def seen_shapes(self) -> tuple[str, ...]:
        """Those of ARKit's shapes that the network tells."""
        nothing = np.zeros(len(self.expression_names))
        gaze = np.zeros((2, 2)) if self.gaze else None
        return tuple(blendshapes(self.expression_names, nothing, self.unseen_expressions, gaze))

    @property
    def usual_size(self) -> int:
        """The input size that the network was trained for, px, as the file names it."""
        return self.file_size or self.input_size

    def at_size(self, input_size: int) -> Metadata:
        """The same network on inputs of another size.

        Raises
        ------
        InvalidInputError
            If the file does not take it.
        """
        size = option("input_size", input_size, Whole(SIZE_STEP, MAX_INPUT_SIZE, SIZE_STEP))
        if size == self.input_size:
            return self
        if not self.any_size:
            raise InvalidInputError(
                f"this file of {self.name!r} takes inputs of {self.input_size} px only; an mfn's "
                ".onnx takes others, and edgeface convert --input-size makes more files"
            )
        return replace(self, input_size=size, file_size=self.usual_size)

    def output_shape(self, name: str) -> tuple[int, ...]:
        """The shape of an output for one image, without the batch axis."""
        width = self.outputs[name]
        if not self.detects:
            return (width,)
        cells = self.input_size // self.stride
        return (cells, cells, len(self.anchors) * width)

    def to_json(self) -> str:
        """The JSON text, with the derived entries that spare other programs the arithmetic."""
        wide = self.cell_range != 1
        unsaid = ("checksummed", "file_size", *(() if wide else ("cell_range",)))
        values = (
            {n: v for n, v in asdict(self).items() if n not in unsaid}
            | {"schema_version": list(WIDE_SCHEMA_VERSION if wide else SCHEMA_VERSION)}
            | self.derived()
        )
        return json.dumps(values, indent=1)

    def derived(self) -> dict[str, Any]:
        """The entries of the JSON that follow from the others."""
        return {
            "input": {
                "shape": ["batch", self.input_size, self.input_size, 3],
                "layout": "NHWC",
                "dtype": "uint8",
                "colour_order": "RGB",
                "pad_value": PAD_VALUE,
            },
            "outputs": {
                name: {
                    "shape": ["batch", *self.output_shape(name)],
                    "values": "rad" if name == "gaze" else "raw logits",
                }
                for name in self.output_names
            },
            "pose_slices": {
                name: list(ends) for name, ends in self.network_kind.pose.slices.items()
            },
        }

    @staticmethod
    def from_json(text: str | bytes | None, source: str) -> Metadata:
        """Parse and check; ``source`` names the file in errors.

        Raises
        ------
        MetadataError
            If the text is absent, no JSON, of a newer major version, or lacks an entry; if an entry
            has another type, is out of range, or contradicts another. Nothing is guessed.
        """
        if text is None:
            raise MetadataError(
                f"{source} carries no metadata under the key {KEY!r}; "
                "only files written by edgeface's converters can be run"
            )
        try:
            values = strict_json.parse(text)
        except ValueError as error:
            raise MetadataError(f"{source}: the metadata is no JSON: {error}") from error
        try:
            return _checked(values)
        except ValueError as error:
            raise MetadataError(f"{source}: in the metadata, {error}") from error


_COMMON = Record(
    required={
        "schema_version": Version(SCHEMA_VERSION[0], WIDE_SCHEMA_VERSION[0]),
        "kind": Choice(tuple(KINDS)),
        "name": Text(),
        "input_size": Whole(SIZE_STEP, MAX_INPUT_SIZE, SIZE_STEP),
        "expression_names": EXPRESSION_LIST,
        "face_model_sha256": SHA256,
        "licence": LICENCE,
    },
    optional={
        "dense_mesh": Flag(),
        "gaze": Flag(),
        "unseen_expressions": Several(Text(100), 0, NUM_EXPRESSIONS, unique=True),
        "precision": Choice(PRECISIONS),
        "training": Free(),
        "parity": Free(),
        "graph": Record(
            {}, {"operators": Mapped(Whole(0, 10**6)), "layer_bytes": Mapped(Whole(0, 10**12))}
        ),
        "input": Free(),
        "outputs": Free(),
        "pose_slices": Free(),
        "checksums": Record({"network": SHA256, "metadata": SHA256}, {}),
    },
)
"""What every file says; ``input``, ``outputs`` and ``pose_slices`` follow from the rest."""
_SIDE = Number(0, MAX_INPUT_SIZE, above=True)
_DETECTING = Record(
    required={
        "stride": Whole(1, MAX_INPUT_SIZE),
        "anchors": Several(Several(_SIDE, 2, 2), 1, 64),
        "score_threshold": Number(0, 1),
        "iou_threshold": Number(0, 1),
    },
    optional={
        "any_size": Flag(),
        "cell_range": Number(1, MAX_CELL_RANGE, above=True),
        "crop_scale": Number(0, 0),
    },
)
"""What a network says of itself if it finds the faces of an image."""
_CROPPING = Record(
    required={"crop_scale": Number(0.25, 8)},
    optional={
        "any_size": Flag(never=True),
        "stride": Whole(0, 0),
        "anchors": Several(Free(), 0, 0),
        "score_threshold": Number(0, 0),
        "iou_threshold": Number(0, 0),
    },
)
"""What a network says of itself if it looks at crops; it has no grid and no thresholds."""


def file_schema() -> dict[str, Any]:
    """The JSON Schema of both JSON texts in a model file, for programs in other languages."""
    detecting = [kind.name for kind in KINDS.values() if kind.detects]
    metadata = _COMMON.json_schema() | {
        "if": {"properties": {"kind": {"enum": detecting}}},
        "then": _DETECTING.json_schema(),
        "else": _CROPPING.json_schema(),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What a model file of edgeface says of itself",
        "description": f"{KEY}: the metadata. face_model_header: the JSON in the array 'header' of "
        f"the face model, {FACE_MODEL_KEY}.",
        "type": "object",
        "properties": {KEY: metadata, "face_model_header": HEADER.json_schema()},
    }


def _checked(values: Any) -> Metadata:
    """Make metadata of a JSON value; raises ValueError, which says what is wrong."""
    if not isinstance(values, dict):
        raise ValueError(f"there is no JSON object, but {shown(values)}")
    entries = _COMMON.check(values, "")
    kind = KINDS[entries["kind"]]
    entries |= (_DETECTING if kind.detects else _CROPPING).check(values, "")
    stated = {name: entries.pop(name, None) for name in ("input", "outputs", "pose_slices")}
    version = entries.pop("schema_version")
    if ("cell_range" in entries) != (version[0] == WIDE_SCHEMA_VERSION[0]):
        raise ValueError(
            f"schema_version is {shown(list(version))}: files of {WIDE_SCHEMA_VERSION[0]}.x have a "
            "cell_range, and no others"
        )
    checksummed = entries.pop("checksums", None) is not None
    metadata = Metadata(**entries, checksummed=checksummed)
    _check_consistency(metadata)
    for name, value in metadata.derived().items():
        if stated[name] is not None and not _says(stated[name], value):
            raise ValueError(
                f"{name} contradicts the other entries: expected {shown(value)}, got "
                f"{shown(stated[name])}"
            )
    return metadata


def _check_consistency(metadata: Metadata) -> None:
    foreign = set(metadata.unseen_expressions) - set(metadata.expression_names)
    if foreign:
        raise ValueError(f"unseen_expressions names {sorted(foreign)}, which are no expressions")
    if metadata.gaze and not metadata.network_kind.optional:
        raise ValueError(f"gaze is true, and an {metadata.kind} has no such output")
    if metadata.detects and metadata.input_size % metadata.stride:
        raise ValueError(
            f"stride must divide input_size, {metadata.input_size}, got {metadata.stride}"
        )
    if metadata.any_size and SIZE_STEP % metadata.stride:
        raise ValueError(
            f"stride must divide {SIZE_STEP} in a file of any_size, got {metadata.stride}"
        )


def _says(stated: Any, expected: Any) -> bool:
    """Whether a JSON value says all that is expected; objects may say more."""
    if isinstance(expected, dict):
        known = cast(dict[str, Any], expected)
        return isinstance(stated, dict) and all(
            name in stated and _says(stated[name], value) for name, value in known.items()
        )
    return type(stated) is type(expected) and stated == expected
