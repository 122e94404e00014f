"""The building blocks of the networks."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

Joint = tuple[nn.Module, tuple[nn.Module, ...]]
"""A layer, and all layers that read its channels with nothing but a ReLU between."""


def conv_bn(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """A convolution with "same" padding, and its batch norm."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs)
    )


class SqueezeExcite(nn.Module):
    """Channel attention: multiplies each channel by a weight computed from all channels' averages.

    Notes
    -----
    Hu et al. 2018, Eqs. 2 to 4, with the reduction ratio 16.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, max(4, channels // 16), 1)
        self.expand = nn.Conv2d(max(4, channels // 16), channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        gate = self.expand(torch.relu(self.reduce(x.mean(dim=(2, 3), keepdim=True))))
        return x * torch.sigmoid(gate)


class Fire(nn.Module):
    """SqueezeNet's module with squeeze-and-excite behind it; it returns 2 * expand channels.

    Notes
    -----
    Iandola et al. 2016, Sec. 3.2, with batch norm after each convolution and the "simple bypass"
    of its Sec. 6 wherever input and output have the same shape.
    """

    def __init__(self, inputs: int, squeeze: int, expand: int, stride: int = 1) -> None:
        super().__init__()
        self.squeeze = conv_bn(inputs, squeeze, 1)
        self.expand1 = conv_bn(squeeze, expand, 1, stride)
        self.expand3 = conv_bn(squeeze, expand, 3, stride)
        self.excite = SqueezeExcite(2 * expand)
        self.bypass = stride == 1 and inputs == 2 * expand

    def joints(self) -> list[Joint]:
        """The layers whose channels can be made alike (`edgeface.reference.networks.equalise`)."""
        return [(self.squeeze[1], (self.expand1[0], self.expand3[0]))]

    def forward(self, x: Tensor) -> Tensor:
        squeezed = torch.relu(self.squeeze(x))
        # activated before they are joined: engines fuse a ReLU into its convolution only
        parts = [torch.relu(self._expanded1(squeezed)), torch.relu(self.expand3(squeezed))]
        out = self.excite(torch.cat(parts, dim=1))
        return out + x if self.bypass else out

    def _expanded1(self, squeezed: Tensor) -> Tensor:
        """The 1 x 1 branch; a strided one reads every other pixel.

        Notes
        -----
        In training the pixels are picked out first, which gives the same sum. The backward pass
        of oneDNN's strided 1 x 1 convolution (torch 2.13, AVX-512) writes past its buffer for some
        numbers of filters and pixels.
        """
        convolution: Any = self.expand1[0]
        step = convolution.stride[0]
        if not self.training or step == 1:
            return self.expand1(squeezed)
        picked = squeezed[:, :, ::step, ::step]
        return self.expand1[1](nn.functional.conv2d(picked, convolution.weight))


class Backbone(nn.Module):
    """A 7x7/2 convolution, a max-pool, and blocks of two Fire modules with max-pools between.

    It returns the features after every block. The first have a quarter of the input's resolution,
    and each has half of the one before.
    """

    def __init__(self, stem: int, squeeze: tuple[int, ...], expand: tuple[int, ...]) -> None:
        super().__init__()
        self.stem = conv_bn(3, stem, 7, 2)
        self.channels = [2 * e for e in expand]
        inputs = [stem, *self.channels[:-1]]
        self.blocks = nn.ModuleList(
            nn.Sequential(Fire(i, s, e), Fire(2 * e, s, e))
            for i, s, e in zip(inputs, squeeze, expand, strict=True)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        features = torch.relu(self.stem(x))
        taps: list[Tensor] = []
        for block in self.blocks:
            features = block(nn.functional.max_pool2d(features, 2))
            taps.append(features)
        return taps


class SlimBranch(nn.Sequential):
    """Carries a fine tap down to a coarser one's resolution by Fire modules of half its channels.

    Each module has stride 2 and halves the resolution once.
    """

    def __init__(self, inputs: int, squeeze: int, expand: int, halvings: int) -> None:
        super().__init__(
            *(
                Fire(inputs if i == 0 else expand, squeeze // 2, expand // 2, stride=2)
                for i in range(halvings)
            )
        )
        self.channels = expand


class Context(nn.Module):
    """Carries a coarse tap up to twice its resolution, thinned to ``channels``.

    With ``reach``, every place first sees the places around it. Faces that fill a view are read
    here, where a few cells span them.
    """

    def __init__(self, inputs: int, channels: int, reach: int) -> None:
        super().__init__()
        self.thin = conv_bn(inputs, channels, 1)
        self.activate = hidden_relu(channels, reach)
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.interpolate(self.activate(self.thin(x)), scale_factor=2.0)


class MultiScale(nn.Module):
    """Joins the last ``depth`` taps at the resolution of tap ``level``.

    Finer taps come down through a `SlimBranch`. The last one, if it is coarser, comes up through a
    `Context` of ``reach``.
    """

    def __init__(
        self,
        channels: list[int],
        squeeze: tuple[int, ...],
        expand: tuple[int, ...],
        depth: int,
        level: int,
        reach: int = 0,
    ) -> None:
        super().__init__()
        last = len(channels) - 1
        self.taps = range(last - depth + 1, last + 1)
        self.branches = nn.ModuleList()
        self.channels = 0
        for i in self.taps:
            if i < level:
                branch: Any = SlimBranch(channels[i], squeeze[i], expand[i], level - i)
            elif i > level:
                branch = Context(channels[i], expand[i] // 2, reach)
            else:
                branch = nn.Identity()
            self.branches.append(branch)
            self.channels += channels[i] if i == level else branch.channels

    def forward(self, taps: list[Tensor]) -> Tensor:
        return torch.cat(
            [branch(taps[i]) for i, branch in zip(self.taps, self.branches, strict=True)], dim=1
        )


class Surroundings(nn.Module):
    """A ReLU, to which a depthwise convolution adds what it sees around every place.

    It starts as the ReLU alone. A cell can tell only from those around it where on a face a feature
    fired; a crop's `LearnedPool` does the same for a whole face.
    """

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        self.around = nn.Conv2d(channels, channels, side, padding=side // 2, groups=channels)
        nn.init.zeros_(self.around.weight)
        nn.init.zeros_(self.around.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(x)
        return torch.relu(x + self.around(x))


def hidden_relu(channels: int, reach: int) -> nn.Module:
    """`Surroundings` of ``reach``, or a plain ReLU if it is 0."""
    return Surroundings(channels, reach) if reach else nn.ReLU()


class LearnedPool(nn.Module):
    """Global pooling with a learned weight for each place and channel; it starts as the average.

    A plain average forgets where on the face a feature fired; landmarks depend on it.
    """

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        self.weight = nn.Conv2d(channels, channels, size, groups=channels)
        nn.init.constant_(self.weight.weight, 1.0 / size**2)
        nn.init.zeros_(self.weight.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        return self.weight(x).flatten(1)


def normalise(image: Tensor) -> Tensor:
    """Turn uint8 images (B, H, W, 3) into float32 (B, 3, H, W) in [-1, 1], inside every network."""
    return image.permute(0, 3, 1, 2).float() / 127.5 - 1.0
