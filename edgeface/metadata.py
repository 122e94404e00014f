"""What a model file says of itself: the JSON under its key ``edgeface``.

``docs/model-format.md`` specifies it for other languages.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any, cast

from edgeface.errors import InvalidInputError, MetadataError
from edgeface.face_model import NUM_EXPRESSIONS
from edgeface.kinds import KINDS, NetworkKind

KEY = "edgeface"
FACE_MODEL_KEY = "edgeface_face_model"
"""The face model's ``.npz`` beside the JSON; base64 where the format holds text only."""
SCHEMA_VERSION = (1, 4)
PAD_VALUE = 127
SIZE_STEP = 32


@dataclass(frozen=True)
class Metadata:
    """Everything needed to run a network file and to read its outputs.

    Attributes
    ----------
    kind : the name of the network's kind, a key of `edgeface.kinds.KINDS`
    name : for people
    input_size : side of the square input, px
    any_size : whether the file takes inputs of every multiple of ``SIZE_STEP`` px
    stride, anchors : the MFN's grid; anchors are (width, height) in input px
    score_threshold, iou_threshold : the MFN's defaults
    crop_scale : side of the crop in longer sides of the face box; not for an MFN
    expression_names : of the 46 coefficients
    unseen_expressions : those that no training label ever moved
    face_model_sha256 : of the face model that the outputs speak of
    dense_mesh : whether the file carries that face model's dense mesh, or its landmark basis alone
    precision : of weights and arithmetic, a key of `edgeface.compare.LIMITS`
    licence, training, parity : for people and tools; never needed to run
    graph : the operators of the file by kind, and the bytes of its weights by layer
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
    anchors: tuple[tuple[float, float], ...] = ()
    score_threshold: float = 0.0
    iou_threshold: float = 0.0
    crop_scale: float = 0.0
    unseen_expressions: tuple[str, ...] = ()
    precision: str = "fp32"
    training: dict[str, Any] = field(default_factory=lambda: {})
    parity: dict[str, Any] = field(default_factory=lambda: {})
    graph: dict[str, Any] = field(default_factory=lambda: {})

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
        """The network's outputs in order."""
        return tuple(self.network_kind.outputs)

    def at_size(self, input_size: int) -> Metadata:
        """The same network on inputs of another size.

        Raises
        ------
        InvalidInputError
            If the file does not take it.
        """
        if input_size == self.input_size:
            return self
        if not self.any_size:
            raise InvalidInputError(
                f"this file of {self.name!r} takes inputs of {self.input_size} px only; an mfn's "
                ".onnx takes others, and edgeface convert --input-size makes more files"
            )
        if input_size < SIZE_STEP or input_size % SIZE_STEP:
            raise InvalidInputError(
                f"input_size must be a multiple of {SIZE_STEP}, got {input_size!r}"
            )
        return replace(self, input_size=input_size)

    def output_shape(self, name: str) -> tuple[int, ...]:
        """Shape of one output for one image, without the batch axis."""
        width = self.network_kind.outputs[name]
        if not self.detects:
            return (width,)
        cells = self.input_size // self.stride
        return (cells, cells, len(self.anchors) * width)

    def to_json(self) -> str:
        """The JSON text, with the derived entries that spare other programs the arithmetic."""
        values = asdict(self)
        values["schema_version"] = list(SCHEMA_VERSION)
        values["input"] = {
            "shape": ["batch", self.input_size, self.input_size, 3],
            "layout": "NHWC",
            "dtype": "uint8",
            "colour_order": "RGB",
            "pad_value": PAD_VALUE,
        }
        values["outputs"] = {
            name: {"shape": ["batch", *self.output_shape(name)], "values": "raw logits"}
            for name in self.output_names
        }
        values["pose_slices"] = dict(self.network_kind.pose.slices)
        return json.dumps(values, indent=1)

    @staticmethod
    def from_json(text: str | bytes | None, source: str) -> Metadata:
        """Parse and check; ``source`` names the file in errors.

        Raises
        ------
        MetadataError
            If the text is absent, no JSON, of a newer major version, or lacks a key. Nothing is
            guessed.
        """
        if text is None:
            raise MetadataError(
                f"{source} carries no metadata under the key {KEY!r}; "
                "only files written by edgeface's converters can be run"
            )
        try:
            values = json.loads(text)
        except ValueError as error:
            raise MetadataError(f"{source}: the metadata is no JSON: {error}") from error
        if not isinstance(values, dict):
            raise MetadataError(f"{source}: the metadata is no JSON object")
        return _checked(cast(dict[str, Any], values), source)


def _checked(values: dict[str, Any], source: str) -> Metadata:
    version = values.get("schema_version")
    if not (isinstance(version, list) and version and version[0] == SCHEMA_VERSION[0]):
        raise MetadataError(
            f"{source} has metadata version {version}; this release reads {SCHEMA_VERSION[0]}.x"
        )
    kind = values.get("kind")
    if not (isinstance(kind, str) and kind in KINDS):
        raise MetadataError(f"{source}: 'kind' must be one of {', '.join(KINDS)}, got {kind!r}")
    detects = KINDS[kind].detects
    needed: dict[str, Any] = {
        "name": str,
        "input_size": int,
        "expression_names": list,
        "face_model_sha256": str,
        "licence": str,
    }
    if detects:
        needed |= {"stride": int, "anchors": list, "score_threshold": float, "iou_threshold": float}
    else:
        needed |= {"crop_scale": float}
    for key, kind_of in needed.items():
        if key not in values:
            raise MetadataError(f"{source}: the metadata lacks {key!r}")
        if not isinstance(values[key], (int, float) if kind_of is float else kind_of):
            raise MetadataError(f"{source}: {key!r} must be a {kind_of.__name__}")
    if len(values["expression_names"]) != NUM_EXPRESSIONS:
        raise MetadataError(f"{source}: expected 46 expression names")
    try:
        anchors = tuple((float(w), float(h)) for w, h in values.get("anchors", []))
    except (TypeError, ValueError) as error:
        raise MetadataError(f"{source}: 'anchors' must be pairs of numbers") from error
    if detects and (not anchors or values["stride"] <= 0):
        raise MetadataError(f"{source}: an {kind} needs anchors and a positive stride")
    return Metadata(
        kind=kind,
        name=values["name"],
        input_size=values["input_size"],
        expression_names=tuple(values["expression_names"]),
        face_model_sha256=values["face_model_sha256"],
        licence=values["licence"],
        any_size=bool(values.get("any_size", False)),
        dense_mesh=bool(values.get("dense_mesh", True)),
        stride=values.get("stride", 0),
        anchors=anchors,
        score_threshold=float(values.get("score_threshold", 0.0)),
        iou_threshold=float(values.get("iou_threshold", 0.0)),
        crop_scale=float(values.get("crop_scale", 0.0)),
        unseen_expressions=tuple(values.get("unseen_expressions", ())),
        precision=str(values.get("precision", "fp32")),
        training=values.get("training", {}),
        parity=values.get("parity", {}),
        graph=values.get("graph", {}),
    )
