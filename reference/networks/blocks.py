"""The building blocks of both networks."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

Joint = tuple[nn.Module, tuple[nn.Module, ...]]
"""A layer, and all that read its channels, with nothing but a ReLU between."""


def conv_bn(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Convolution and batch norm, "same" padding."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs)
    )


class SqueezeExcite(nn.Module):
    """Channel attention: each channel times a sigmoid of what all channels' averages say.

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
    """SqueezeNet's module followed by squeeze-and-excite; output has 2 * expand channels.

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
        """See `reference.equalise`."""
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
        In training the pixels are picked out first, which is the same sum: the backward pass of
        oneDNN's strided 1 x 1 convolution (torch 2.13, AVX-512) writes past its buffer, depending
        on the number of filters and pixels.
        """
        convolution: Any = self.expand1[0]
        step = convolution.stride[0]
        if not self.training or step == 1:
            return self.expand1(squeezed)
        picked = squeezed[:, :, ::step, ::step]
        return self.expand1[1](nn.functional.conv2d(picked, convolution.weight))


class Backbone(nn.Module):
    """7x7/2 convolution, max-pool, then blocks of two Fire modules with a max-pool between.

    Returns the features after every block; each has half the resolution of the one before, the
    first a quarter of the input's.
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

    One module a halving, each of stride 2.
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

    With ``reach``, every place first sees those around it: the faces that fill a view are read
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
    """The last ``depth`` taps, joined at the resolution of tap ``level``.

    Finer taps come down by slim branches; the last, where it is coarser, comes up as context of
    ``reach``.
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
    """ReLU, and what a depthwise convolution sees around every place; starts as the ReLU alone.

    Where on a face a feature fired, a cell can tell only from those around it: what `LearnedPool`
    is to a crop.
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
    """`Surroundings` of ``reach``; of 0, a ReLU."""
    return Surroundings(channels, reach) if reach else nn.ReLU()


class LearnedPool(nn.Module):
    """Global pooling with one learned weight a place and channel, starting as the average.

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
    """uint8 (B, H, W, 3) to float32 (B, 3, H, W) in [-1, 1], inside every network."""
    return image.permute(0, 3, 1, 2).float() / 127.5 - 1.0
