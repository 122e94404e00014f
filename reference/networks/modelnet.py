"""ModelNet: from pictures of one person to their corrections of the template (2020, Sec. 3.2)."""

# torch tells part of its types
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, max_pool2d

from edgeface.kinds import PERSON_MAPS
from edgeface.personal.template import default_template
from edgeface.reference.networks.blocks import Backbone, LearnedPool, conv_bn, normalise
from edgeface.reference.networks.config import NetworkConfig
from edgeface.reference.networks.fusion import Separable

NUM_MODES = PERSON_MAPS["modes"][0]
NUM_SHAPES = PERSON_MAPS["shapes"][0]
SHAPE_SCALE, SKIN_SCALE = 0.03, 0.2
"""What an output of 1 of the last layers means: 3 mm, and a fifth of white."""
# output channels and stride after the max-pool (2020, Table 4a), and of the decoders (Table 4b)
PAPER_ENCODER = ((128, 1), (128, 2), (256, 1), (256, 2), (512, 1), (512, 2))
PAPER_DECODER = (512, 256, 128, 64)
EDGE_DECODER = (96, 64, 48, 32)


class ModelNetwork(nn.Module):
    """An encoder of each picture, the mean of what it sees in all, and two decoders to UV.

    Notes
    -----
    The paper's size is Table 4's, with maps of 128 texels, of which those of shapes and dynamic
    skin are halved to the 64 that a personal model holds; it has no identity modes, and gives 0.

    The edge size takes the SFN's trunk as its encoder; its decoders enlarge by copying each texel
    four times before a separable convolution. Corrections of the 55 blendshapes and of their skin
    are mixed of ``rank`` maps each, by weights that are the same for everybody. The identity modes
    have a head of their own.

    The mean skin is learned with the weights (the paper's ``R_0^t``), from that of the template
    that ships. The skin that comes out is whole, so that it fits a template with any mean skin.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        skin = torch.from_numpy(default_template().albedo).permute(2, 0, 1)
        self.mean_skin = nn.Parameter(skin.float() / 255)
        if config.multi_scale:
            self.backbone: nn.Module = Backbone(config.stem_filters, config.squeeze, config.expand)
            channels = 2 * config.expand[-1]
            size = config.input_size // 2 ** (len(config.expand) + 1)
            self.modes = nn.Sequential(
                LearnedPool(channels, size),
                nn.Linear(channels, config.head_units),
                nn.ReLU(),
                nn.Linear(config.head_units, NUM_MODES),
            )
            nn.init.zeros_(self.modes[-1].weight)  # type: ignore[arg-type]
            nn.init.zeros_(self.modes[-1].bias)  # type: ignore[arg-type]
            self.shape_decoder: nn.Module = EdgeDecoder(channels, 64, config.rank)
            self.skin_decoder: nn.Module = EdgeDecoder(channels, 128, config.rank)
        else:
            self.backbone = PaperEncoder(config.stem_filters)
            self.shape_decoder, self.skin_decoder = PaperDecoder(), PaperDecoder()

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Guess persons: ``PERSON_MAPS`` flattened, (P, ...) each.

        ``image`` is uint8 (P, N, S, S, 3), N pictures of each of P persons, or (P, S, S, 3).
        """
        many = image.ndim == 5
        seen = self.backbone(normalise(image.flatten(0, 1) if many else image))
        features = seen[-1] if self.config.multi_scale else seen
        if many:
            features = features.unflatten(0, image.shape[:2]).mean(dim=1)
        neutral, shapes = self.shape_decoder(features)
        skin, dynamic = self.skin_decoder(features)
        if self.config.multi_scale:
            modes = self.modes(features)
        else:
            neutral = avg_pool2d(neutral, 2)
            modes = torch.zeros_like(features[:, :NUM_MODES, 0, 0])
        parts = (
            modes,
            SHAPE_SCALE * neutral,
            SHAPE_SCALE * shapes,
            self.mean_skin + SKIN_SCALE * skin,
            SKIN_SCALE * dynamic,
        )
        return tuple(part.flatten(1) for part in parts)


class PaperEncoder(nn.Module):
    """Table 4a: (B, 3, 224, 224) to (B, 512, 7, 7)."""

    def __init__(self, stem: int) -> None:
        super().__init__()
        self.stem = conv_bn(3, stem, 7, 2)
        inputs = [stem, *(width for width, _ in PAPER_ENCODER)]
        self.layers = nn.ModuleList(
            conv_bn(i, width, 3, stride)
            for i, (width, stride) in zip(inputs, PAPER_ENCODER, strict=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = max_pool2d(torch.relu(self.stem(x)), 3, 2, 1)
        for layer in self.layers:
            x = torch.relu(layer(x))
        return x


class PaperDecoder(nn.Module):
    """Table 4b: (P, 512, 7, 7) to (P, 3, 128, 128) and the blendshapes' maps, halved to 64."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 512
        for step, outputs in enumerate(PAPER_DECODER):
            # the first has no padding: 7 becomes 16
            padding = 0 if step == 0 else 1
            layers += [
                nn.ConvTranspose2d(inputs, outputs, 4, 2, padding, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(),
            ]
            inputs = outputs
        self.layers = nn.Sequential(*layers)
        self.static = starting_at_zero(inputs, 3)
        self.dynamic = starting_at_zero(inputs, 3 * NUM_SHAPES)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        x = self.layers(features)
        return self.static(x), avg_pool2d(self.dynamic(x), 2)


class EdgeDecoder(nn.Module):
    """From features (P, C, 8, 8) to one map of ``size`` texels, and to the maps of 55 shapes.

    The latter are mixed of ``rank`` maps of three channels.
    """

    def __init__(self, channels: int, size: int, rank: int) -> None:
        super().__init__()
        self.rank = rank
        self.thin = conv_bn(channels, EDGE_DECODER[0], 1)
        self.layers = nn.ModuleList(
            Separable(EDGE_DECODER[i], EDGE_DECODER[i + 1], 1) for i in range(3)
        )
        self.fine = Separable(EDGE_DECODER[3], 16, 1) if size == 128 else None
        self.static = starting_at_zero(16 if self.fine else EDGE_DECODER[3], 3)
        self.maps = starting_at_zero(EDGE_DECODER[3], 3 * rank)
        self.mix = nn.Conv2d(rank, NUM_SHAPES, 1, bias=False)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        x = torch.relu(self.thin(features))
        for layer in self.layers:
            x = layer(interpolate(x, scale_factor=2.0))
        maps = self.maps(x)
        if self.fine is not None:
            x = self.fine(interpolate(x, scale_factor=2.0))
        # (P, rank, 3 * 64, 64): a convolution over the maps' places mixes them
        mixed = self.mix(maps.unflatten(1, (self.rank, 3)).flatten(2, 3))
        return self.static(x), mixed


def starting_at_zero(inputs: int, outputs: int) -> nn.Conv2d:
    """A 1x1 convolution that gives 0 before it is trained."""
    layer = nn.Conv2d(inputs, outputs, 1)
    nn.init.zeros_(layer.weight)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer
