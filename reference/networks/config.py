"""What defines a network; it travels in every checkpoint and exported file."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from edgeface.errors import InvalidInputError, ModelFormatError
from edgeface.metadata import SIZE_STEP

NUM_IDENTITY = 50
NUM_EXPRESSIONS = 46
NUM_POSE = 8  # quaternion 4, translation 3, scale 1
NUM_BOX = 5  # box 4, objectness 1
NUM_HARMONICS = 20
NUM_CORRECTION = 3 * NUM_HARMONICS
NUM_VECTOR_POSE = 6  # scale 1, rotation vector 3, translation in the image 2
CROP_SCALE = 1.3
"""Side of the crop that a network of crops sees, in longer sides of the face box."""

Kind = Literal["sfn", "mfn", "fusion"]


@dataclass(frozen=True)
class NetworkConfig:
    """Dimensions of a network.

    Attributes
    ----------
    kind : "sfn", "fusion" (one face crop each) or "mfn" (a whole image)
    multi_scale : separate branches over several resolutions, or one head on the last
    input_size : side of the square input, px
    stem_filters : of the first convolution
    squeeze, expand : filters of the Fire modules, one entry a block; a Fire's output has twice
        its expand filters
    head_units : of the hidden layer of each head
    stride : input pixels a grid cell, 16 or 32; MFN only
    anchors : (width, height) of the box priors, input px; MFN only
    reach : side of what the heads' hidden units, and the coarser features that they are given, see
        around their cell, cells; MFN only, 0: nothing
    width : of MobileNet's blocks, as a share of its channels; fusion only
    """

    kind: Kind
    multi_scale: bool
    input_size: int
    stem_filters: int
    squeeze: tuple[int, ...]
    expand: tuple[int, ...]
    head_units: int
    stride: int = 0
    anchors: tuple[tuple[float, float], ...] = ()
    reach: int = 0
    width: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise InvalidInputError(
                f"network kind must be one of {', '.join(get_args(Kind))}, got {self.kind!r}"
            )
        if len(self.squeeze) != len(self.expand):
            raise InvalidInputError("squeeze and expand need one entry a block each")
        if self.kind == "mfn" and (self.input_size % SIZE_STEP or not self.anchors):
            raise InvalidInputError(
                f"an mfn needs anchors and an input size divisible by {SIZE_STEP}"
            )
        if self.kind == "mfn" and self.stride not in ((16, 32) if self.multi_scale else (32,)):
            raise InvalidInputError(f"a grid cell of {self.stride} px is not possible here")

    @property
    def grid_size(self) -> int:
        """Cells on a side of the MFN's grid."""
        return self.input_size // self.stride

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


# k-means over the faces of 1,500 training views, with 1 - IoU as the distance
ANCHORS = ((7.0, 9.0), (11.0, 15.0), (19.0, 25.0), (33.0, 43.0), (64.0, 83.0))

CONFIGS: dict[str, NetworkConfig] = {
    "sfn": NetworkConfig("sfn", True, 128, 64, (16, 32, 48), (64, 128, 176), 64),
    "sfn-single": NetworkConfig("sfn", False, 128, 64, (16, 32, 48), (64, 128, 176), 64),
    "mfn": NetworkConfig(
        "mfn", True, 288, 32, (16, 32, 48, 64), (64, 128, 192, 256), 128, 16, ANCHORS, reach=7
    ),
    "mfn-9x9": NetworkConfig(
        "mfn", True, 288, 32, (16, 32, 48, 64), (64, 128, 192, 256), 128, 32, ANCHORS
    ),
    "mfn-single": NetworkConfig("mfn", False, 288, 4, (), (), 0, 32, ANCHORS),
    "fusion": NetworkConfig("fusion", False, 128, 32, (), (), 64, width=0.75),
}
"""The networks of the papers: SFN and MFN single- and multi-scale, the MFN on a finer grid too."""
