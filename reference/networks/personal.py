"""TrackNet and ModelNet as one network, which is trained end to end (2020, Fig. 1)."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from edgeface.reference.networks.config import NetworkConfig
from edgeface.reference.networks.modelnet import ModelNetwork
from edgeface.reference.networks.tracknet import TrackNetwork

PARTS = ("tracknet", "modelnet")


class PersonalNetworks(nn.Module):
    """Both networks, which look at the same pictures and share nothing."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.tracknet = TrackNetwork(replace(config, kind="tracknet"))
        self.modelnet = ModelNetwork(replace(config, kind="modelnet"))

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """What TrackNet says of every picture, and ModelNet of every person.

        ``image`` is uint8 (P, N, S, S, 3), N pictures of each of P persons; the outputs of TrackNet
        then have P N rows, those of ModelNet P. Or (P, S, S, 3), one picture a person.
        """
        frames = image.flatten(0, 1) if image.ndim == 5 else image
        return (*self.tracknet(frames), *self.modelnet(image))


def parts_of(network: nn.Module) -> list[nn.Module]:
    """The networks that a network consists of."""
    if isinstance(network, PersonalNetworks):
        return [network.tracknet, network.modelnet]
    return [network]
