"""The networks in torch: the class of each kind, and the sizes that the papers give them."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from edgeface.reference.networks.config import NetworkConfig
from edgeface.reference.networks.fusion import FusionNetwork
from edgeface.reference.networks.mfn import MultiFaceNetwork
from edgeface.reference.networks.modelnet import ModelNetwork
from edgeface.reference.networks.personal import PersonalNetworks
from edgeface.reference.networks.sfn import SingleFaceNetwork
from edgeface.reference.networks.tracknet import TrackNetwork

__all__ = [
    "CONFIGS",
    "FusionNetwork",
    "ModelNetwork",
    "MultiFaceNetwork",
    "NetworkConfig",
    "PersonalNetworks",
    "SingleFaceNetwork",
    "TrackNetwork",
    "build_network",
]

CLASSES: dict[
    str,
    type[
        SingleFaceNetwork
        | MultiFaceNetwork
        | FusionNetwork
        | TrackNetwork
        | ModelNetwork
        | PersonalNetworks
    ],
] = {
    "sfn": SingleFaceNetwork,
    "mfn": MultiFaceNetwork,
    "fusion": FusionNetwork,
    "tracknet": TrackNetwork,
    "modelnet": ModelNetwork,
    "personal": PersonalNetworks,
}
"""The network of each kind."""

# k-means over the faces of 1,500 training views, with 1 - IoU as the distance
ANCHORS = ((7.0, 9.0), (11.0, 15.0), (19.0, 25.0), (33.0, 43.0), (64.0, 83.0))

MFN = NetworkConfig(
    "mfn", True, 288, 32, (16, 32, 48, 64), (64, 128, 192, 256), 128, 16, ANCHORS, reach=7
)
CONFIGS: dict[str, NetworkConfig] = {
    "sfn": NetworkConfig("sfn", True, 128, 64, (16, 32, 48), (64, 128, 176), 64, gaze=True),
    "sfn-single": NetworkConfig("sfn", False, 128, 64, (16, 32, 48), (64, 128, 176), 64),
    "mfn": MFN,
    "mfn-beside": replace(MFN, cell_range=2.0),
    "mfn-lean": NetworkConfig(
        "mfn",
        True,
        288,
        16,
        (8, 16, 32, 64),
        (32, 64, 128, 256),
        128,
        16,
        ANCHORS,
        reach=7,
        cell_range=2.0,
    ),
    "mfn-9x9": NetworkConfig(
        "mfn", True, 288, 32, (16, 32, 48, 64), (64, 128, 192, 256), 128, 32, ANCHORS
    ),
    "mfn-single": NetworkConfig("mfn", False, 288, 4, (), (), 0, 32, ANCHORS),
    "fusion": NetworkConfig("fusion", False, 128, 32, (), (), 64, width=0.75),
    **{
        name: NetworkConfig(name, True, 128, 64, (16, 32, 48), (64, 128, 176), 64, rank=16)
        for name in ("tracknet", "modelnet", "personal")
    },
    **{
        f"{name}-paper": NetworkConfig(name, False, 224, 64, (), (), 256)
        for name in ("tracknet", "modelnet", "personal")
    },
}
"""The networks of the papers: SFN and MFN are single- and multi-scale, the MFN on two grids. In
``mfn-beside``, which ships as `mfn`, and ``mfn-lean`` cells answer for faces beside them, too.

TrackNet and ModelNet (2020) are ``-paper`` as in its Table 4, and else on the SFN's multi-scale
trunk, whose weights they can start from."""


def build_network(config: NetworkConfig) -> nn.Module:
    """The untrained network that a configuration describes."""
    return CLASSES[config.kind](config)
