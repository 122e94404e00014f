"""The single-face network (SFN), from a face crop to 3DMM parameters."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgeface.face_model import NUM_EXPRESSIONS, NUM_IDENTITY
from edgeface.kinds import NUM_GAZE, QUATERNION_POSE
from edgeface.reference.networks.blocks import (
    Backbone,
    LearnedPool,
    MultiScale,
    conv_bn,
    normalise,
)
from edgeface.reference.networks.config import NetworkConfig

THIN, EYE_CHANNELS, PLACES, GAZE_UNITS = 16, 32, 4, 32
"""Of a `GazeHead`: the fine features' channels when they come in, and later; how many weighted sums
over the face are taken of each of these; and the number of its hidden units."""


class SingleFaceNetwork(nn.Module):
    """Chaudhuri et al. 2019, Sec. 4.3.2.

    In the multi-scale network, pose and scale come from the last features, identity from the last
    two resolutions and expression from all. In the single-scale one, all come from the last. Beyond
    the paper, a network with ``gaze`` has a `GazeHead`.
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
        self.gaze: GazeHead | None = None
        if config.gaze:
            self.gaze = GazeHead(self.backbone.channels[0], size * 2**last, config.head_units)
        with torch.no_grad():
            for head, bias in zip(self.heads, output_biases(), strict=True):
                start_at(head, bias)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Raw outputs of images uint8 (B, S, S, 3).

        Returns identity (B, 50), expression (B, 46) and pose (B, 8), and with ``gaze`` the pitch
        and yaw of the right and the left eye (B, 4), rad.
        """
        taps = self.backbone(normalise(image))
        hidden: list[Tensor] = []
        outputs: list[Tensor] = []
        for scale, head in zip(self.scales, self.heads, strict=True):
            *layers, last = head
            features = scale(taps)
            for layer in layers:
                features = layer(features)
            hidden.append(features)
            outputs.append(last(features))
        if self.gaze is not None:
            outputs.append(self.gaze(taps[0], torch.cat(hidden[1:], dim=1)))
        return tuple(outputs)


class GazeHead(nn.Module):
    """Where both eyes look, from fine features and from what expression and pose are made of.

    An eye is 15 px wide in a crop of 128, and an iris moves by one px for 10 degrees. The heads'
    features, of 16 px each, hardly tell. Those after the first block have a quarter of the crop's
    resolution; how the head is turned, the hidden units of the other heads know.

    Parameters
    ----------
    fine, fine_size : the number of channels of the fine features, and their side
    units : the number of hidden units of each of the two other heads
    """

    def __init__(self, fine: int, fine_size: int, units: int) -> None:
        super().__init__()
        self.eyes = nn.Sequential(
            conv_bn(fine, THIN, 1),
            nn.ReLU(),
            conv_bn(THIN, EYE_CHANNELS, 3, 2),
            nn.ReLU(),
            conv_bn(EYE_CHANNELS, EYE_CHANNELS, 3, 2),
            nn.ReLU(),
        )
        self.places = nn.Conv2d(
            EYE_CHANNELS, EYE_CHANNELS * PLACES, fine_size // 4, groups=EYE_CHANNELS
        )
        self.output = nn.Sequential(
            nn.Linear(2 * units + EYE_CHANNELS * PLACES, GAZE_UNITS),
            nn.ReLU(),
            nn.Linear(GAZE_UNITS, NUM_GAZE),
        )

    def forward(self, fine: Tensor, hidden: Tensor) -> Tensor:
        """The gaze (B, 4), rad."""
        places = self.places(self.eyes(fine)).flatten(1)
        return self.output(torch.cat([hidden, places], dim=1))


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
