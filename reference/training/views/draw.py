"""Drawing the planned views of a batch, by a function of a pixel compiled for CPU and CUDA."""

# torch tells part of its types
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from edgeface.reference.training.views.atlas import Atlas
from edgeface.reference.training.views.plan import COVER, FADE, FADE_WIDTH, Batch

numba: Any = importlib.import_module("numba")  # untyped
cuda: Any = importlib.import_module("numba.cuda")

Function = TypeVar("Function", bound=Callable[..., Any])

GREY = 127
THREADS_A_BLOCK = 256
PLAN = ("layer_of_view", "inverse", "area", "source")


def compiled(function: Function) -> Function:
    """Compile a function for the CPU, outside Python's lock; it is cached where numba may write."""
    try:
        return numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:  # no such place
        return numba.njit(nogil=True)(function)


def placed(layer: int, inverse: Any, source: Any, offset: Any, shape: Any) -> Any:
    """A layer's affine map from the view's pixels to its copy's, mode, size and first byte.

    The size is that of the picture and of the copy. The latter has a row or a column more where the
    picture's pixels are no multiple of the halvings.
    """
    picture, level, mode = source[layer, 0], source[layer, 1], source[layer, 2]
    share = 0.5**level
    return (
        inverse[layer, 0, 0] * share, inverse[layer, 0, 1] * share, inverse[layer, 0, 2] * share,
        inverse[layer, 1, 0] * share, inverse[layer, 1, 1] * share, inverse[layer, 1, 2] * share,
        mode, shape[picture, 0, 1] * share, shape[picture, 0, 0] * share,
        shape[picture, level, 1], shape[picture, level, 0], offset[picture, level],
    )  # fmt: skip


def shade(
    out: Any, at: int, u: float, v: float, mode: int, width: float, height: float, columns: int,
    rows: int, place: int, pixels: Any,
) -> None:  # fmt: skip
    """Lay a layer over one pixel of a view, in place; plain Python that numba compiles.

    ``out`` is flat, and ``at`` is the pixel's place in it. ``u`` and ``v`` say where its centre
    falls in the layer's copy, whose first byte is at ``place``. Sampling is bilinear; beyond the
    centres of the copy's outermost pixels, these go on.
    """
    if mode != COVER and (u < 0.0 or v < 0.0 or u >= width or v >= height):
        return
    opacity = 1.0
    if mode == FADE:
        radius = math.sqrt((u / width - 0.5) ** 2 + (v / height - 0.5) ** 2)
        opacity = min((0.5 - radius) / FADE_WIDTH, 1.0)
        if opacity <= 0.0:
            return
    u = min(max(u - 0.5, 0.0), columns - 1.0)
    v = min(max(v - 0.5, 0.0), rows - 1.0)
    left, top = int(u), int(v)
    u -= left
    v -= top
    step = 3 if left + 1 < columns else 0
    row = 3 * columns if top + 1 < rows else 0
    place += 3 * (top * columns + left)
    w11 = u * v * opacity
    w10 = v * opacity - w11
    w01 = u * opacity - w11
    w00 = opacity - w01 - w10 - w11
    for channel in range(3):
        i = place + channel
        value = (
            w00 * pixels[i] + w01 * pixels[i + step]
            + w10 * pixels[i + row] + w11 * pixels[i + row + step]
        )  # fmt: skip
        out[at + channel] = int(value + (1.0 - opacity) * out[at + channel] + 0.5)


_placed, _shade = compiled(placed), compiled(shade)


@compiled
def draw_views(
    out: Any, first: int, last: int, size: int, layer_of_view: Any, inverse: Any, area: Any,
    source: Any, pixels: Any, offset: Any, shape: Any,
) -> None:  # fmt: skip
    """Draw the views from ``first`` to before ``last`` of a batch on the CPU, layer by layer."""
    for view in range(first, last):
        start = view * size * size * 3
        for i in range(start, start + size * size * 3):
            out[i] = GREY
        for layer in range(layer_of_view[view], layer_of_view[view + 1]):
            ux, uy, u0, vx, vy, v0, mode, width, height, columns, rows, place = _placed(
                layer, inverse, source, offset, shape
            )
            x0, y0, x1, y1 = area[layer, 0], area[layer, 1], area[layer, 2], area[layer, 3]
            for y in range(y0, y1):
                for x in range(x0, x1):
                    u = ux * (x + 0.5) + uy * (y + 0.5) + u0
                    v = vx * (x + 0.5) + vy * (y + 0.5) + v0
                    at = start + 3 * (y * size + x)
                    _shade(out, at, u, v, mode, width, height, columns, rows, place, pixels)


def cuda_kernel() -> Any:
    """`draw_views` for a GPU, where each pixel's thread goes through the layers of its view."""
    placed_there, shade_there = (cuda.jit(device=True)(f) for f in (placed, shade))

    def kernel(
        out: Any, size: int, layer_of_view: Any, inverse: Any, area: Any, source: Any,
        pixels: Any, offset: Any, shape: Any,
    ) -> None:  # fmt: skip
        pixel = cuda.grid(1)
        if pixel >= (len(layer_of_view) - 1) * size * size:
            return
        view = pixel // (size * size)
        y, x = (pixel - view * size * size) // size, pixel % size
        for channel in range(3):
            out[3 * pixel + channel] = GREY
        for layer in range(layer_of_view[view], layer_of_view[view + 1]):
            if (
                x < area[layer, 0] or y < area[layer, 1]
                or x >= area[layer, 2] or y >= area[layer, 3]
            ):  # fmt: skip
                continue
            ux, uy, u0, vx, vy, v0, mode, width, height, columns, rows, place = placed_there(
                layer, inverse, source, offset, shape
            )
            u = ux * (x + 0.5) + uy * (y + 0.5) + u0
            v = vx * (x + 0.5) + vy * (y + 0.5) + v0
            shade_there(out, 3 * pixel, u, v, mode, width, height, columns, rows, place, pixels)

    return kernel


class Renderer:
    """Draws batches of plans from an atlas, on the device where a batch is.

    Notes
    -----
    A GPU is given the whole atlas with its first batch.
    """

    def __init__(self, atlas: Atlas) -> None:
        self.atlas = atlas

    def __call__(self, plan: Batch) -> Tensor:
        """Draw the views uint8 (B, S, S, 3) of the tensors that `pack` made."""
        size, count = len(plan["size"]), len(plan["layer_of_view"]) - 1
        device = plan["inverse"].device
        out = torch.empty((count, size, size, 3), dtype=torch.uint8, device=device)
        if device.type == "cuda":
            self._draw_on_gpu(out, plan, size)
        else:
            self._draw_on_cpu(out, plan, size)
        return out

    def _draw_on_cpu(self, out: Tensor, plan: Batch, size: int) -> None:
        flat, atlas = out.numpy().reshape(-1), self.atlas
        plans = [plan[name].numpy() for name in PLAN]
        arrays = [*plans, atlas.pixels, atlas.offset, atlas.shape]
        parts = np.linspace(0, len(out), torch.get_num_threads() + 1).astype(int)
        with ThreadPoolExecutor(len(parts) - 1) as pool:
            waiting = [
                pool.submit(draw_views, flat, first, last, size, *arrays)
                for first, last in pairwise(parts.tolist())
            ]  # fmt: skip
            for future in waiting:
                future.result()

    def _draw_on_gpu(self, out: Tensor, plan: Batch, size: int) -> None:
        blocks = -(-len(out) * size * size // THREADS_A_BLOCK)
        stream = cuda.external_stream(torch.cuda.current_stream().cuda_stream)
        tensors = [out.reshape(-1), *(plan[name] for name in PLAN), *self._atlas_on_gpu]
        views, *rest = [cuda.as_cuda_array(tensor, sync=False) for tensor in tensors]
        self._kernel[blocks, THREADS_A_BLOCK, stream](views, size, *rest)

    @cached_property
    def _kernel(self) -> Any:
        return cuda.jit(cuda_kernel())

    @cached_property
    def _atlas_on_gpu(self) -> list[Tensor]:
        arrays = (self.atlas.pixels, self.atlas.offset, self.atlas.shape)
        return [torch.from_numpy(np.array(array)).to("cuda") for array in arrays]
