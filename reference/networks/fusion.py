"""The fusion network, from a face crop to pose, 3DMM and shape correction."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgeface.reference.networks.blocks import Joint, LearnedPool, conv_bn, normalise
from edgeface.reference.networks.config import NetworkConfig
from edgeface.reference.networks.sfn import output_biases, start_at

# output channels and stride of MobileNet-V1's thirteen blocks (Howard et al. 2017, Table 1)
BLOCKS = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1), (512, 1), (512, 1),
    (512, 1), (512, 1), (1024, 2), (1024, 1),
)  # fmt: skip


class Separable(nn.Module):
    """A 3x3 convolution of each channel by itself, then a 1x1 convolution across them."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.depthwise = nn.Sequential(
            nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False),
            nn.BatchNorm2d(inputs),
        )
        self.pointwise = conv_bn(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.pointwise(torch.relu(self.depthwise(x))))


class FusionNetwork(nn.Module):
    """Wang et al. 2019, Sec. 3.3: MobileNet-V1, one fully connected layer, and pose behind it.

    Notes
    -----
    The layer's rows are four modules, so that each exported branch has a quantisation scale of its
    own. Its first ``head_units`` outputs go through a ReLU to a second layer, which gives the six
    values of the pose. The average over the last 4 x 4 places is a `LearnedPool`.
    """

    identity_branch = "identity"

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = conv_bn(3, config.stem_filters, 3, 2)
        channels = config.stem_filters
        blocks: list[nn.Module] = []
        for filters, stride in BLOCKS:
            blocks.append(Separable(channels, round(filters * config.width), stride))
            channels = round(filters * config.width)
        self.blocks = nn.Sequential(*blocks)
        self.pool = LearnedPool(channels, config.input_size // 32)
        self.hidden = nn.Linear(channels, config.head_units)
        outputs = config.network_kind.outputs
        self.identity = nn.Linear(channels, outputs["identity"])
        self.expression = nn.Linear(channels, outputs["expression"])
        self.correction = nn.Linear(channels, outputs["correction"])
        self.pose = nn.Linear(config.head_units, outputs["pose"])
        identity, expression, _ = output_biases()
        with torch.no_grad():
            start_at(self.identity, identity)
            start_at(self.expression, expression)
            start_at(self.correction, torch.zeros(outputs["correction"]))
            start_at(self.pose, torch.zeros(outputs["pose"]))

    def joints(self) -> list[Joint]:
        """The layers whose channels can be made alike (`edgeface.reference.networks.equalise`)."""
        pool: nn.Module = self.pool.weight
        made: list[nn.Module] = [self.stem[1]]
        readers: list[tuple[nn.Module, ...]] = []
        for block in self.blocks:
            assert isinstance(block, Separable)
            readers += [(block.depthwise[0],), (block.pointwise[0],)]
            made += [block.depthwise[1], block.pointwise[1]]
        heads = (self.hidden, self.identity, self.expression, self.correction)
        return list(zip([*made, pool], [*readers, (pool,), heads], strict=True))

    def leave_uncorrected(self) -> None:
        """Make every correction 0; without a gradient it stays so."""
        nn.init.zeros_(self.correction.weight)
        nn.init.zeros_(self.correction.bias)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Compute the raw branches of images uint8 (B, 128, 128, 3), RGB.

        Returns ``identity`` (B, 50), ``expression`` (B, 46) logits, ``correction`` (B, 60) and
        ``pose`` (B, 6): the logit of the scale, rotation vector, translation.
        """
        features = self.pool(self.blocks(torch.relu(self.stem(normalise(image)))))
        pose = self.pose(torch.relu(self.hidden(features)))
        return self.identity(features), self.expression(features), self.correction(features), pose
