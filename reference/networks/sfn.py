"""The single-face network (SFN), from a face crop to 3DMM parameters."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from edgeface.face_model import NUM_EXPRESSIONS, NUM_IDENTITY
from edgeface.kinds import NUM_GAZE, QUATERNION_POSE
from edgeface.reference.networks.blocks import (
    Backbone,
    LearnedPool,
    MultiScale,
    normalise,
)
from edgeface.reference.networks.config import NetworkConfig

PATCH, PATCH_WIDTH = (14, 28), 1.4
"""Of a `GazeHead`: the rows and columns of a patch, and its width in eye widths."""
USUAL_EYES = ((0.37, 0.63), (0.41, 0.41), (0.1, 0.1))
"""Where the eyes are before anything is learned: x, y and width of the right and the left one, in
sides of the crop."""
GAZE_UNITS = 32
"""The number of hidden units of a `GazeHead`."""
LEAST_SPREAD = 0.02
"""What is added to half the mean deviation, by which patches are divided; white is 1, black -1."""


class SingleFaceNetwork(nn.Module):
    """Chaudhuri et al. 2019, Sec. 4.3.2.

    In the multi-scale network, pose and scale come from the last features, identity from the last
    two resolutions and expression from all. In the single-scale one, all come from the last. Beyond
    the paper, a network with ``gaze`` has a `GazeHead`.
    """

    identity_branch = "heads.0"
    expression_branch = "heads.1"
    pose_branch = "heads.2"

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = Backbone(config.stem_filters, config.squeeze, config.expand)
        depths = (2, len(config.expand), 1) if config.multi_scale else (1, 1, 1)
        sizes = config.network_kind.outputs.values()
        self.scales, self.heads = branches(config, self.backbone, depths, sizes)
        self.gaze: GazeHead | None = None
        if config.gaze:
            self.gaze = GazeHead(config.input_size, config.head_units)
        with torch.no_grad():
            for head, bias in zip(self.heads, output_biases(), strict=True):
                start_at(head, bias)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Raw outputs of images uint8 (B, S, S, 3).

        Returns identity (B, 50), expression (B, 46) and pose (B, 8), and with ``gaze`` the pitch
        and yaw of the right and the left eye (B, 4), rad.
        """
        pixels = normalise(image)
        outputs, hidden = self.outputs_and_hidden(pixels)
        if self.gaze is not None:
            outputs.append(self.gaze(pixels, hidden))
        return tuple(outputs)

    def outputs_and_hidden(self, pixels: Tensor) -> tuple[list[Tensor], Tensor]:
        """The raw outputs but the gaze, and the hidden units (B, 2 units) of expression and pose.

        ``pixels`` are images (B, 3, S, S) in [-1, 1].
        """
        taps = self.backbone(pixels)
        hidden: list[Tensor] = []
        outputs: list[Tensor] = []
        for scale, head in zip(self.scales, self.heads, strict=True):
            *layers, last = head.children()
            features: Tensor = scale(taps)
            for layer in layers:
                features = layer(features)
            hidden.append(features)
            outputs.append(last(features))
        return outputs, torch.cat(hidden[1:], dim=1)


def branches(
    config: NetworkConfig, trunk: Backbone, depths: Iterable[int], outputs: Iterable[int]
) -> tuple[nn.ModuleList, nn.ModuleList]:
    """What leads from the trunk's features to outputs: scales, and a head behind each.

    Parameters
    ----------
    depths : from how many resolutions each output comes, the last ones
    outputs : the number of values of each output
    """
    last = len(config.expand) - 1
    size = config.input_size // 2 ** (len(config.expand) + 1)
    scales, heads = nn.ModuleList(), nn.ModuleList()
    for depth, count in zip(depths, outputs, strict=True):
        scale = MultiScale(trunk.channels, config.squeeze, config.expand, depth, last)
        scales.append(scale)
        heads.append(
            nn.Sequential(
                LearnedPool(scale.channels, size),
                nn.Linear(scale.channels, config.head_units),
                nn.ReLU(),
                nn.Linear(config.head_units, count),
            )
        )
    return scales, heads


class GazeHead(nn.Module):
    """Where both eyes look, from what the input shows of them.

    An eye is 15 px wide in a crop of 128, and an iris moves by one px for 10 degrees: the features
    of the other heads, of 16 px each, cannot tell. So the hidden units of expression and pose say
    where both eyes are, a patch of each is sampled there from the grey input, and the gaze is read
    from the patches, with their contrast evened out, and from these hidden units, which know how
    the head is turned.

    Parameters
    ----------
    size : the side of the input, px
    units : the number of hidden units of each of the two other heads

    Notes
    -----
    Patches are upright, `PATCH_WIDTH` times as wide as the eye, and bilinear: ``P = W_y I W_x^T``
    with ``W[k, i] = max(0, 1 - |p_k - i|)`` for sample ``p_k`` and the pixel centre ``i``.
    """

    pixels: Tensor
    pixel_column: Tensor
    columns: Tensor
    rows: Tensor
    one: Tensor

    def __init__(self, size: int, units: int) -> None:
        super().__init__()
        height, width = PATCH
        step = PATCH_WIDTH / width
        columns, rows = ((torch.arange(n) - (n - 1) / 2) * step for n in (width, height))
        self.register_buffer("pixels", torch.arange(size) + 0.5)
        self.register_buffer("pixel_column", self.pixels[:, None])
        self.register_buffer("columns", columns)
        self.register_buffer("rows", rows[:, None])
        self.register_buffer("one", torch.ones(1))
        self.x, self.y, self.width = (nn.Linear(2 * units, 2) for _ in range(3))
        with torch.no_grad():
            for part, usual in zip((self.x, self.y, self.width), USUAL_EYES, strict=True):
                part.weight.zero_()
                part.bias.copy_(size * torch.tensor(usual))
        self.read = nn.Sequential(
            nn.Linear(2 * height * width + 2 * units, GAZE_UNITS),
            nn.ReLU(),
            nn.Linear(GAZE_UNITS, NUM_GAZE),
        )

    def forward(self, image: Tensor, hidden: Tensor) -> Tensor:
        """The gaze (B, 4), rad, of images (B, 3, S, S) in [-1, 1]."""
        return self.read(self.inputs(image.mean(dim=1, keepdim=True), hidden))

    def inputs(self, grey: Tensor, hidden: Tensor) -> Tensor:
        """What the gaze is read from: evened patches of both eyes in ``grey`` (B, 1, S, S)."""
        x, y, width = (part(hidden).reshape(-1, 2, 1, 1) for part in (self.x, self.y, self.width))
        across = self._shares(x + width * self.columns, self.pixel_column)  # (B, 2, S, W)
        down = self._shares(y + width * self.rows, self.pixels)  # (B, 2, H, S)
        patches = down @ (grey @ across)
        beyond = patches - patches.mean(dim=(2, 3), keepdim=True)
        # the mean deviation is twice that of what lies above the mean
        spread = torch.relu(beyond).mean(dim=(2, 3), keepdim=True)
        evened = beyond / (spread + LEAST_SPREAD)
        return torch.cat([evened.flatten(1), hidden], dim=1)

    def _shares(self, places: Tensor, pixels: Tensor) -> Tensor:
        """The shares of the pixels in bilinear samples at places."""
        return torch.relu(self.one - torch.relu(places - pixels) - torch.relu(pixels - places))


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
