"""Sums of small depthwise convolutions are the large one."""

import pytest
import torch
from torch import nn

from edgeface.converters.depthwise import MOST_TAPS, RowSlices, with_row_slices


@pytest.mark.parametrize("side", [7, 9, 27])
@pytest.mark.parametrize("bias", [True, False])
def test_row_slices_are_the_whole(side, bias):
    torch.manual_seed(0)
    whole = nn.Conv2d(6, 6, side, padding=side // 2, groups=6, bias=bias)
    sliced = with_row_slices(nn.Sequential(whole))[0]
    assert isinstance(sliced, RowSlices)
    assert all(p.weight[0].numel() <= max(MOST_TAPS, side) for p in sliced.slices)
    x = torch.randn(2, 6, 11, 5)
    with torch.inference_mode():
        torch.testing.assert_close(sliced(x), whole(x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(6, 6, 5, padding=2, groups=6),  # small
        nn.Conv2d(6, 6, 7, padding=3),  # not depthwise
        nn.Conv2d(6, 6, 8, groups=6),  # pools
        nn.Conv2d(6, 6, 7, stride=2, padding=3, groups=6),
    ],
)
def test_other_layers_stay(layer):
    network = nn.Sequential(layer)
    copied = with_row_slices(network)
    assert isinstance(copied[0], nn.Conv2d)
    assert copied[0] is not layer
