"""Decoding the boxes of a network, and measuring how much boxes overlap."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from edgeface.types import AnyArray


def decode_boxes(detection: Tensor, anchors: Tensor, stride: int, cell_range: float) -> Tensor:
    """Decode raw detection (B, S, S, A, 5) to centres and sizes (B, S, S, A, 4) in ``input_px``.

    ``b_xy = s sigmoid(t_xy) - (s - 1) / 2 + cell`` and ``b_wh = anchor * exp(t_wh)``, where s is
    ``cell_range`` (appendix 7.2, where it is 1).
    """
    size = detection.shape[1]
    line = torch.arange(size, dtype=detection.dtype, device=detection.device)
    row, column = torch.meshgrid(line, line, indexing="ij")
    cell = torch.stack([column, row], dim=-1)[:, :, None]
    within = cell_range * torch.sigmoid(detection[..., :2]) - (cell_range - 1) / 2
    centre = (within + cell) * stride
    extent = anchors * torch.exp(detection[..., 2:4].clamp(-6, 6))
    return torch.cat([centre, extent], dim=-1)


def corners(boxes: Tensor) -> Tensor:
    """Turn boxes (..., 4) of centre and size into xyxy."""
    half = boxes[..., 2:] / 2
    return torch.cat([boxes[..., :2] - half, boxes[..., :2] + half], dim=-1)


def pairwise_iou(a: Tensor, b: Tensor) -> Tensor:
    """The IoU (..., N, M) of each of the xyxy boxes (..., N, 4) with each of (..., M, 4)."""
    low = torch.maximum(a[..., :, None, :2], b[..., None, :, :2])
    high = torch.minimum(a[..., :, None, 2:], b[..., None, :, 2:])
    shared = (high - low).clamp(min=0).prod(dim=-1)
    area_a = (a[..., 2:] - a[..., :2]).prod(dim=-1)
    area_b = (b[..., 2:] - b[..., :2]).prod(dim=-1)
    return shared / (area_a[..., :, None] + area_b[..., None, :] - shared).clamp(min=1e-6)


def generalised_iou(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and GIoU of corresponding xyxy boxes (N, 4) (Rezatofighi et al. 2019, Alg. 1)."""
    shared = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0)
    hull = torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])
    inter = shared.prod(dim=1)
    union = (a[:, 2:] - a[:, :2]).prod(dim=1) + (b[:, 2:] - b[:, :2]).prod(dim=1) - inter
    iou = inter / union.clamp(min=1e-6)
    hull_area = hull.prod(dim=1).clamp(min=1e-6)
    return iou, iou - (hull_area - union) / hull_area


def overlap(a: AnyArray, b: AnyArray) -> AnyArray:
    """The IoU (N,) of each of the xyxy boxes (N, 4) with its partner."""
    sides = np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])
    shared = np.clip(sides, 0, None).prod(axis=1)
    areas = (a[:, 2:] - a[:, :2]).prod(axis=1) + (b[:, 2:] - b[:, :2]).prod(axis=1)
    return shared / (areas - shared)
