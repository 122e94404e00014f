"""Writing large depthwise convolutions as sums of small ones, at which XNNPACK is fast.

Its fast depthwise kernels have up to 25 taps. On 128 channels of 18 x 18 under LiteRT, one of 7 x 7
takes 670 us; three of 3 x 7, 3 x 7 and 1 x 7 with their sum take 70 us (one core of an AMD EPYC,
float32 and int8 alike).
"""

from __future__ import annotations

import copy
import functools
import operator

from torch import Tensor, nn

MOST_TAPS = 25


class RowSlices(nn.Module):
    """A depthwise convolution of stride 1 as a sum of several, each over a few rows of its kernel.

    ``w * x = sum over i of w[r_i : r_(i+1)] * (x moved up by r_i rows)``
    """

    def __init__(self, whole: nn.Conv2d) -> None:
        super().__init__()
        height, width = whole.kernel_size
        step = max(1, MOST_TAPS // width)
        self.margins = (width // 2, width // 2, height // 2, height // 2)
        self.rows = [(start, min(step, height - start)) for start in range(0, height, step)]
        self.slices = nn.ModuleList()
        for start, count in self.rows:
            part = nn.Conv2d(
                whole.in_channels,
                whole.out_channels,
                (count, width),
                groups=whole.groups,
                bias=False,
            )
            part.weight = nn.Parameter(whole.weight.detach()[:, :, start : start + count].clone())
            self.slices.append(part)
        if whole.bias is not None:
            self.slices[0].bias = whole.bias

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (B, C, H, W); the shape stays."""
        padded = nn.functional.pad(x, self.margins)
        parts = [
            part(padded[:, :, start : start + x.shape[2] + count - 1])
            for (start, count), part in zip(self.rows, self.slices, strict=True)
        ]
        return functools.reduce(operator.add, parts)


def with_row_slices(network: nn.Module) -> nn.Module:
    """A copy of a network whose large depthwise convolutions of pictures are `RowSlices`."""
    network = copy.deepcopy(network)
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Conv2d) and _is_large(child):
                setattr(module, name, RowSlices(child))
    return network


def _is_large(layer: nn.Conv2d) -> bool:
    """Whether its output is a picture as large as its input, and it has more taps than are fast."""
    height, width = layer.kernel_size
    same = layer.stride == (1, 1) and layer.padding == (height // 2, width // 2)
    return same and layer.groups == layer.in_channels > 1 and height * width > MOST_TAPS
