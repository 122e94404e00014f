"""Stands in for a GPU where there is none: tensors without values, watched."""

from __future__ import annotations

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

DEVICE = torch.device("meta")
"""Its tensors have no values: asking for one, or for a shape that hangs on one, raises."""


class NothingFromTheCpu(TorchDispatchMode):
    """Every operation must take and leave tensors of `DEVICE` alone; scalars may come along."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves([args, kwargs, result]):
            if isinstance(tensor, torch.Tensor) and tensor.ndim > 0:
                assert tensor.device == DEVICE, f"{func} with a tensor on {tensor.device}"
        return result
