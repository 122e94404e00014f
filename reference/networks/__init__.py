"""The single-face, the multiple-face and the fusion network."""

from __future__ import annotations

from torch import nn

from edgeface.reference.networks.config import NetworkConfig
from edgeface.reference.networks.fusion import FusionNetwork
from edgeface.reference.networks.mfn import MultiFaceNetwork
from edgeface.reference.networks.sfn import SingleFaceNetwork

__all__ = ["FusionNetwork", "MultiFaceNetwork", "SingleFaceNetwork", "build_network"]

_CLASSES = {"sfn": SingleFaceNetwork, "mfn": MultiFaceNetwork, "fusion": FusionNetwork}


def build_network(config: NetworkConfig) -> nn.Module:
    """The untrained network that a configuration describes."""
    return _CLASSES[config.kind](config)
