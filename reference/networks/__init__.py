"""The single-face and the multiple-face network."""

from __future__ import annotations

from torch import nn

from edgeface.reference.config import NetworkConfig
from edgeface.reference.networks.mfn import MultiFaceNetwork
from edgeface.reference.networks.sfn import SingleFaceNetwork

__all__ = ["MultiFaceNetwork", "SingleFaceNetwork", "build_network"]


def build_network(config: NetworkConfig) -> nn.Module:
    """The untrained network that a configuration describes."""
    return SingleFaceNetwork(config) if config.kind == "sfn" else MultiFaceNetwork(config)
