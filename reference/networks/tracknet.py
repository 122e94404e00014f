"""TrackNet: from a face crop to its motion and light, whoever it is (Chaudhuri et al. 2020)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgeface.reference.networks.blocks import Backbone, conv_bn, normalise
from edgeface.reference.networks.config import NetworkConfig
from edgeface.reference.networks.sfn import branches, output_biases, start_at

AMBIENT = 0.9 * 2 * torch.pi**0.5
"""The first harmonic of a white light of 0.9 from everywhere, `render.ambient_light`."""
RESNET_BLOCKS = ((64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1))
"""Channels and stride of ResNet-18's blocks (He et al. 2016, Table 1)."""


class TrackNetwork(nn.Module):
    """2020, Sec. 3.3: the per-frame parameters ``p_n`` of one face, the person left out.

    The edge size is the SFN's multi-scale trunk and its branches for expression and pose, with a
    branch for the light in the place of that for the identity: modules have the names that the SFN
    gives them, so that its weights fit. The paper's size is ResNet-18 with fully connected layers.

    Notes
    -----
    Deviations: the rotation is a quaternion instead of Euler angles, and the pose is that of the
    other networks' weak perspective, which `edgeface.reference.personal.learning` turns into the
    paper's camera. Expressions are the project's 46, which the template's 55 shapes follow.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        sizes = config.network_kind.outputs
        outputs = [sizes[name] for name in ("light", "expression", "pose")]
        if config.multi_scale:
            trunk = Backbone(config.stem_filters, config.squeeze, config.expand)
            self.backbone: nn.Module = trunk
            depths = (1, len(config.expand), 1)
            self.scales, self.heads = branches(config, trunk, depths, outputs)
        else:
            self.backbone = ResNet18(config.stem_filters)
            self.hidden = nn.Linear(512, config.head_units)
            self.heads = nn.ModuleList(
                nn.Sequential(nn.Linear(config.head_units, size)) for size in outputs
            )
        _, expression, pose = output_biases()
        light = torch.zeros(9, 3)
        light[0] = AMBIENT
        with torch.no_grad():
            for head, bias in zip(self.heads, (light.flatten(), expression, pose), strict=True):
                start_at(head, bias)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Raw light (B, 27), expression (B, 46) and pose (B, 8) of images uint8 (B, S, S, 3).

        The light is that of `render.shade`, a colour's coefficients three apart.
        """
        features = self.backbone(normalise(image))
        if self.config.multi_scale:
            light, expression, pose = (
                head(scale(features)) for head, scale in zip(self.heads, self.scales, strict=True)
            )
        else:
            hidden = torch.relu(self.hidden(features))
            light, expression, pose = (head(hidden) for head in self.heads)
        return light, expression, pose


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around which the input goes (He et al. 2016, Fig. 2)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = conv_bn(inputs, outputs, 3, stride)
        self.second = conv_bn(outputs, outputs, 3)
        same = stride == 1 and inputs == outputs
        self.around = nn.Identity() if same else conv_bn(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.second(torch.relu(self.first(x))) + self.around(x))


class ResNet18(nn.Module):
    """ResNet-18 without its classifier: images (B, 3, S, S) to features (B, 512)."""

    def __init__(self, stem: int) -> None:
        super().__init__()
        self.stem = conv_bn(3, stem, 7, 2)
        channels = [stem, *(width for width, _ in RESNET_BLOCKS)]
        self.blocks = nn.Sequential(
            *(
                ResidualBlock(inputs, width, stride)
                for inputs, (width, stride) in zip(channels, RESNET_BLOCKS, strict=False)
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.max_pool2d(torch.relu(self.stem(x)), 3, 2, 1)
        return self.blocks(x).mean(dim=(2, 3))
