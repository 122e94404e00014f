"""What defines a network; it travels in every checkpoint and exported file."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from edgeface.errors import InvalidInputError, ModelFormatError

NUM_IDENTITY = 50
NUM_EXPRESSIONS = 46
NUM_POSE = 8  # quaternion 4, translation 3, scale 1
NUM_BOX = 5  # box 4, objectness 1
STRIDE = 32  # input pixels a grid cell


@dataclass(frozen=True)
class NetworkConfig:
    """Dimensions of a network.

    Attributes
    ----------
    kind : "sfn" (one face crop) or "mfn" (a whole image)
    multi_scale : separate branches over several resolutions, or one head on the last
    input_size : side of the square input, px
    stem_filters : of the first 7x7 convolution
    squeeze, expand : filters of the Fire modules, one entry a block; a Fire's output has twice
        its expand filters
    head_units : of the hidden layer of each head
    anchors : (width, height) of the box priors, input px; MFN only
    """

    kind: Literal["sfn", "mfn"]
    multi_scale: bool
    input_size: int
    stem_filters: int
    squeeze: tuple[int, ...]
    expand: tuple[int, ...]
    head_units: int
    anchors: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in ("sfn", "mfn"):
            raise InvalidInputError(f"network kind must be 'sfn' or 'mfn', got {self.kind!r}")
        if len(self.squeeze) != len(self.expand):
            raise InvalidInputError("squeeze and expand need one entry a block each")
        if self.kind == "mfn" and (self.input_size % STRIDE or not self.anchors):
            raise InvalidInputError("an mfn needs anchors and an input size divisible by 32")

    @property
    def grid_size(self) -> int:
        """Cells on a side of the MFN's grid."""
        return self.input_size // STRIDE

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_dict(values: dict[str, Any]) -> NetworkConfig:
        try:
            tuples = {
                "squeeze": tuple(values["squeeze"]),
                "expand": tuple(values["expand"]),
                "anchors": tuple((float(w), float(h)) for w, h in values["anchors"]),
            }
            return NetworkConfig(**(values | tuples))
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFormatError(f"not a network configuration: {error}") from error


# Side lengths of square anchors would do for faces; the heights are 1.27 times the widths, as
# the boxes of the training photos are.
ANCHORS = ((13.0, 17.0), (25.0, 32.0), (44.0, 56.0), (78.0, 98.0), (138.0, 172.0))

CONFIGS: dict[str, NetworkConfig] = {
    "sfn": NetworkConfig("sfn", True, 128, 64, (16, 32, 48), (64, 128, 176), 64),
    "sfn-single": NetworkConfig("sfn", False, 128, 64, (16, 32, 48), (64, 128, 176), 64),
    "mfn": NetworkConfig("mfn", True, 288, 32, (16, 32, 48, 64), (64, 128, 192, 256), 128, ANCHORS),
    "mfn-single": NetworkConfig("mfn", False, 288, 4, (), (), 0, ANCHORS),
}
"""The networks of the paper: each single- and multi-scale."""
