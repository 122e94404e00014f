"""The dimensions that define a network; every checkpoint and exported file carries them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

from edgeface.errors import InvalidInputError, ModelFormatError
from edgeface.kinds import KINDS, NetworkKind
from edgeface.metadata import MAX_CELL_RANGE, MAX_INPUT_SIZE, SIZE_STEP
from edgeface.values import Flag, Number, Record, Several, Text, Whole

CROP_SCALE = 1.3
"""Side of the crop that a network of crops sees, in longer sides of the face box."""


@dataclass(frozen=True)
class NetworkConfig:
    """Dimensions of a network.

    Attributes
    ----------
    kind : one of `edgeface.kinds.KINDS`, by its name
    multi_scale : whether the outputs read several resolutions; otherwise one head reads the last
    input_size : the side of the square input, px
    stem_filters : the number of filters of the first convolution
    squeeze, expand : the numbers of filters of the Fire modules, one entry for each block; a Fire
        module returns twice its expand filters
    head_units : the number of units of each head's hidden layer
    stride : the side of a grid cell, input px, 16 or 32; MFN only
    cell_range : how far a face's centre can move, in cells, around the middle of the cell that
        answers for it; MFN only. Of 1, as in the paper, it stays in the cell. Of more, the cells
        beside it answer, too.
    anchors : the (width, height) of each box prior, input px; MFN only
    reach : the side, in cells, of the square around its own cell that a hidden unit of a head sees.
        The coarser features that the head is given see as much. 0 means the own cell alone; MFN
        only.
    width : the number of channels, as a share of MobileNet's; fusion only
    rank : the number of maps of which all blendshapes' corrections are mixed; 0 means that each
        blendshape has maps of its own; ModelNet only
    gaze : whether the network tells where both eyes look; SFN only
    """

    kind: str
    multi_scale: bool
    input_size: int
    stem_filters: int
    squeeze: tuple[int, ...]
    expand: tuple[int, ...]
    head_units: int
    stride: int = 0
    anchors: tuple[tuple[float, float], ...] = ()
    reach: int = 0
    cell_range: float = 1.0
    width: float = 1.0
    rank: int = 0
    gaze: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InvalidInputError(
                f"network kind must be one of {', '.join(KINDS)}, got {self.kind!r}"
            )
        if len(self.squeeze) != len(self.expand):
            raise InvalidInputError("squeeze and expand need one entry a block each")
        detects = self.network_kind.detects
        if detects and (self.input_size % SIZE_STEP or not self.anchors):
            raise InvalidInputError(
                f"an {self.kind} needs anchors and an input size divisible by {SIZE_STEP}"
            )
        if detects and self.stride not in ((16, 32) if self.multi_scale else (32,)):
            raise InvalidInputError(f"a grid cell of {self.stride} px is not possible here")
        if not 1 <= self.cell_range <= (MAX_CELL_RANGE if detects else 1):
            raise InvalidInputError(f"a cell_range of {self.cell_range} is not possible here")
        if self.gaze and "gaze" not in self.network_kind.optional:
            raise InvalidInputError(f"an {self.kind} does not tell where eyes look")

    @property
    def network_kind(self) -> NetworkKind:
        """What all networks of this kind have in common."""
        return KINDS[self.kind]

    @property
    def outputs(self) -> Mapping[str, int]:
        """The network's outputs in order, and how many values each has for one face."""
        return self.network_kind.outputs_with(gaze=self.gaze)

    @property
    def grid_size(self) -> int:
        """The number of cells on a side of the MFN's grid."""
        return self.input_size // self.stride

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_dict(values: dict[str, Any]) -> NetworkConfig:
        """The inverse of `to_dict`.

        Raises
        ------
        ModelFormatError
            If a value is missing, unknown, of another type, or larger than any network has.
        """
        try:
            given = {k: _as_lists(v) if k in _LISTS else v for k, v in values.items()}
            return NetworkConfig(**(given | _KINDS.check(given, "")))
        except (AttributeError, TypeError, ValueError) as error:
            raise ModelFormatError(f"not a network configuration: {error}") from error


_LISTS = ("squeeze", "expand", "anchors")
_FILTERS = Several(Whole(1, 1 << 14), 0, 100)
_SIDE = Number(0, MAX_INPUT_SIZE, above=True)
_KINDS = Record(
    required={
        "kind": Text(100),
        "multi_scale": Flag(),
        "input_size": Whole(1, MAX_INPUT_SIZE),
        "stem_filters": Whole(0, 1 << 14),
        "squeeze": _FILTERS,
        "expand": _FILTERS,
        "head_units": Whole(0, 1 << 14),
        "anchors": Several(Several(_SIDE, 2, 2), 0, 100),
    },
    optional={
        "stride": Whole(0, MAX_INPUT_SIZE),
        "reach": Whole(0, 1000),
        "cell_range": Number(1, MAX_CELL_RANGE),
        "width": Number(0, 100, above=True),
        "rank": Whole(0, 1000),
        "gaze": Flag(),
    },
)
"""What the values of a configuration in a checkpoint may be."""


def _as_lists(value: Any) -> Any:
    """A sequence of a checkpoint, which holds lists or tuples, and any in it, as lists."""
    if isinstance(value, list | tuple):
        return [_as_lists(item) for item in cast(Sequence[Any], value)]
    return value
