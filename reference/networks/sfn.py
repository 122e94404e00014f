"""The single-face network (SFN), from a face crop to 3DMM parameters."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgeface.face_model import NUM_EXPRESSIONS, NUM_IDENTITY
from edgeface.kinds import QUATERNION_POSE
from edgeface.reference.networks.blocks import Backbone, LearnedPool, MultiScale, normalise
from edgeface.reference.networks.config import NetworkConfig


class SingleFaceNetwork(nn.Module):
    """Chaudhuri et al. 2019, Sec. 4.3.2.

    In the multi-scale network, pose and scale come from the last features, identity from the last
    two resolutions and expression from all. In the single-scale one, all come from the last.
    """

    identity_branch = "heads.0"

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = Backbone(config.stem_filters, config.squeeze, config.expand)
        depths = (2, len(config.expand), 1) if config.multi_scale else (1, 1, 1)
        last = len(config.expand) - 1
        size = config.input_size // 2 ** (len(config.expand) + 1)
        sizes = config.network_kind.outputs.values()
        self.scales = nn.ModuleList()
        self.heads = nn.ModuleList()
        for depth, outputs in zip(depths, sizes, strict=True):
            scale = MultiScale(self.backbone.channels, config.squeeze, config.expand, depth, last)
            self.scales.append(scale)
            self.heads.append(
                nn.Sequential(
                    LearnedPool(scale.channels, size),
                    nn.Linear(scale.channels, config.head_units),
                    nn.ReLU(),
                    nn.Linear(config.head_units, outputs),
                )
            )
        with torch.no_grad():
            for head, bias in zip(self.heads, output_biases(), strict=True):
                start_at(head, bias)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Raw identity (B, 50), expression (B, 46) and pose (B, 8) of images uint8 (B, S, S, 3)."""
        taps = self.backbone(normalise(image))
        identity, expression, pose = (
            head(scale(taps)) for head, scale in zip(self.heads, self.scales, strict=True)
        )
        return identity, expression, pose


def start_at(head: nn.Module, bias: Tensor) -> None:
    """Set a head's last layer so that it gives nearly ``bias`` before it is trained."""
    last = list(head.modules())[-1]
    assert isinstance(last, nn.Linear | nn.Conv2d)
    assert last.bias is not None
    last.weight.mul_(0.3)
    last.bias.copy_(bias)


def output_biases() -> tuple[Tensor, Tensor, Tensor]:
    """The outputs to start from: the mean face, nearly neutral, looking straight ahead."""
    identity = torch.zeros(NUM_IDENTITY)
    identity[0] = 1.0
    expression = torch.full((NUM_EXPRESSIONS,), -2.5)
    pose = torch.zeros(QUATERNION_POSE.width)
    pose[0] = 1.0
    return identity, expression, pose
