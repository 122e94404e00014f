"""The multiple-face network (MFN), from an image to boxes and 3DMM parameters of grid cells."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgeface.reference.networks.blocks import Backbone, MultiScale, conv_bn, hidden_relu, normalise
from edgeface.reference.networks.config import NetworkConfig
from edgeface.reference.networks.sfn import output_biases, start_at

TINY_DARKNET = (16, 32, 64, 128, 256, 512, 1024, 1024)
OBJECTNESS_PRIOR = -4.5  # logit; a photo has about one face in a hundred candidates


class TinyDarkNet(nn.Module):
    """Tiny DarkNet with its filters divided by four: six pooled convolutions, two unpooled."""

    def __init__(self, first_filters: int) -> None:
        super().__init__()
        filters = [f * first_filters // TINY_DARKNET[0] for f in TINY_DARKNET]
        self.convs = nn.ModuleList(
            conv_bn(i, o, 3) for i, o in zip([3, *filters[:-1]], filters, strict=True)
        )
        self.channels = [filters[-1]]

    def forward(self, x: Tensor) -> list[Tensor]:
        for depth, conv in enumerate(self.convs):
            x = nn.functional.leaky_relu(conv(x), 0.1)
            if depth < 5:
                x = nn.functional.max_pool2d(x, 2)
        return [x]


class MultiFaceNetwork(nn.Module):
    """Chaudhuri et al. 2019, Secs. 3.4 and 4.3.3.

    In the multi-scale network, detection sees the last three resolutions, identity the last two,
    expression all, and pose the last. The single-scale network is Tiny DarkNet with one convolution
    to all outputs. With cells of 16 px, the grid is that of the last resolution but one, and pose
    sees two. With ``reach``, hidden units and the context also see the cells around.
    """

    identity_branch = "heads.1"
    expression_branch = "heads.2"
    pose_branch = "heads.3"

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        num_anchors = len(config.anchors)
        sizes = config.network_kind.outputs.values()
        self.scales = nn.ModuleList()
        self.heads = nn.ModuleList()
        if config.multi_scale:
            self.backbone = Backbone(config.stem_filters, config.squeeze, config.expand)
            last = len(config.expand) - 1
            fine = config.stride == 16
            for depth, outputs in zip((3, 2, last + 1, 2 if fine else 1), sizes, strict=True):
                scale = MultiScale(self.backbone.channels, config.squeeze, config.expand, depth,
                                   last - fine, config.reach)  # fmt: skip
                self.scales.append(scale)
                self.heads.append(
                    nn.Sequential(
                        conv_bn(scale.channels, config.head_units, 1),
                        hidden_relu(config.head_units, config.reach),
                        nn.Conv2d(config.head_units, outputs * num_anchors, 1),
                    )
                )
        else:
            self.backbone = TinyDarkNet(config.stem_filters)
            for outputs in sizes:
                self.scales.append(nn.Identity())
                self.heads.append(
                    nn.Sequential(nn.Conv2d(self.backbone.channels[-1], outputs * num_anchors, 1))
                )
        detection = torch.tensor([0.0, 0.0, 0.0, 0.0, OBJECTNESS_PRIOR])
        with torch.no_grad():
            for head, bias in zip(self.heads, (detection, *output_biases()), strict=True):
                start_at(head, bias.repeat(num_anchors))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Compute the raw logits of the four branches of images uint8 (B, 288, 288, 3), RGB.

        Returns ``detection`` (B, S, S, 5 * 5), ``identity`` (B, S, S, 5 * 50), ``expression`` (B,
        S, S, 5 * 46) and ``pose`` (B, S, S, 5 * 8) for S x S cells; the channels are anchor-major.
        """
        taps = self.backbone(normalise(image))
        outputs: list[Tensor] = []
        for scale, head in zip(self.scales, self.heads, strict=True):
            features = scale(taps) if self.config.multi_scale else taps[-1]
            outputs.append(head(features).permute(0, 2, 3, 1))
        return outputs[0], outputs[1], outputs[2], outputs[3]
