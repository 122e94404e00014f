"""Skin and light in closed form: the start of fitting, and the mean skin of many people."""

# torch types its operations in part only
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample

from edgeface.reference.personal.person import SKIN_MAP, Surface
from edgeface.reference.personal.render import (
    ambient_light,
    harmonic_basis,
    interpolate,
    vertex_normals,
    visible_triangles,
)

LIGHT_RIDGE = 0.01
"""Pulls an estimated light to a white one, of the mean square of a pixel's basis."""
USUAL_LIGHT = 0.9
DYNAMIC_RIDGE = 0.01
"""Of the dynamic skin, beside what a frame tells at a texel that it shows in full light."""
LEAST_FACING = 0.3
"""Cosine between normal and line of sight under which a place tells nothing of the skin."""


def unwrap(
    surface: Surface, vertices: Tensor, points: Tensor, images: Tensor, valid: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """What images show at each texel.

    Parameters
    ----------
    vertices : float, shape (B, V, 3), the camera's frame
    points : float, shape (B, V, 3), the same projected: x, y and depth
    images : float, shape (B, H, W, 3); valid : float, shape (B, H, W)

    Returns
    -------
    colour : float, shape (B, R, R, 3)
    normal : float, shape (B, R, R, 3), the camera's frame
    weight : float, shape (B, R, R), how well the texel is seen; 0 where it is hidden
    """
    size = (SKIN_MAP, SKIN_MAP)
    flat = torch.cat([surface.uv * SKIN_MAP, torch.ones_like(surface.uv[:, :1])], 1)[None]
    index = visible_triangles(flat, surface.triangles, size)
    many = len(points)
    flat, index = flat.expand(many, -1, -1), index.expand(many, -1, -1)
    values = torch.cat([points, vertices, vertex_normals(vertices, surface.triangles)], dim=-1)
    at_texels = interpolate(flat, surface.triangles, index, values)
    place, position, normal = at_texels.split((3, 3, 3), dim=-1)
    normal = torch.nn.functional.normalize(normal, dim=-1, eps=1e-12)
    facing = -(normal * torch.nn.functional.normalize(position, dim=-1, eps=1e-12)).sum(-1)
    height, width = images.shape[1:3]
    grid = place[..., :2] / place.new_tensor([width, height]) * 2 - 1
    channels = torch.cat([images, valid[..., None]], dim=-1).permute(0, 3, 1, 2)
    seen = grid_sample(channels, grid, align_corners=False).permute(0, 2, 3, 1)
    depth = _front_depth(surface, points, (height, width))
    front = grid_sample(depth[:, None], grid, mode="nearest", align_corners=False)[:, 0]
    hidden = place[..., 2] > front + 0.05  # half a centimetre behind what the camera sees
    weight = torch.where((facing > LEAST_FACING) & ~hidden & (index >= 0), facing, 0.0)
    return seen[..., :3], normal, weight * (seen[..., 3] > 0.99)


def _front_depth(surface: Surface, points: Tensor, size: tuple[int, int]) -> Tensor:
    index = visible_triangles(points, surface.triangles, size)
    depth = interpolate(points, surface.triangles, index, points[..., 2:].contiguous())[..., 0]
    return torch.where(index >= 0, depth, torch.inf)


def estimate_light(colour: Tensor, albedo: Tensor, normal: Tensor, weight: Tensor) -> Tensor:
    """The light (B, 9, 3) under which a skin shows given colours best, in the least squares' sense.

    Parameters
    ----------
    colour, normal : float, shape (B, R, R, 3); weight : float, shape (B, R, R); from `unwrap`
    albedo : float, shape (R, R, 3) or (B, R, R, 3)
    """
    many = len(colour)
    basis = harmonic_basis(normal).flatten(1, 2) / torch.pi
    weights = weight.flatten(1)
    start = ambient_light(many)
    lights = []
    for c in range(3):
        skin = albedo[..., c].expand(many, -1, -1).flatten(1)
        rows = basis * skin[..., None]
        weighted = rows * weights[..., None]
        normal_matrix = rows.transpose(1, 2) @ weighted
        ridge = LIGHT_RIDGE * torch.diagonal(normal_matrix, dim1=1, dim2=2).mean(1) + 1e-6
        normal_matrix = normal_matrix + ridge[:, None, None] * torch.eye(9)
        right = (weighted * colour[..., c].flatten(1)[..., None]).sum(1)
        right = right + ridge[:, None] * start[:, :, c]
        lights.append(torch.linalg.solve(normal_matrix, right))
    return torch.stack(lights, dim=-1)


def toned(skin: Tensor, colour: Tensor, weight: Tensor) -> Tensor:
    """A skin (R, R, 3) with the mean colour that images (B, R, R, 3) show in white light.

    What is dark may be so by its skin or by its light. Cameras expose for what they see and balance
    its white, so the person's own tone is taken to be that of their pictures under a white light of
    the level `USUAL_LIGHT`. Otherwise everybody would have the template's tone.
    """
    shown = (colour * weight[..., None]).sum((0, 1, 2))
    own = (skin * weight[..., None]).sum((0, 1, 2)) * USUAL_LIGHT
    return skin * (shown / own.clamp(min=1e-6)).clamp(0.05, 1 / USUAL_LIGHT)


def usual_skin(
    colour: Tensor, normal: Tensor, weight: Tensor, light: Tensor, prior: Tensor
) -> Tensor:
    """The skin (R, R, 3) that most images show: medians, which what covers a few does not move.

    ``prior`` (R, R, 3) is there where fewer than three images show anything.
    """
    shading = shading_of(normal, light)
    skins = torch.where(weight[..., None] > 0, colour / shading.clamp(min=0.05), torch.nan)
    enough = ((weight > 0).sum(0) >= 3)[..., None]
    return torch.where(enough, skins.nanmedian(0).values, prior).clamp(0, 1)


def mean_skin(
    colour: Tensor, normal: Tensor, weight: Tensor, light: Tensor, prior: Tensor, trust: float
) -> Tensor:
    """One skin (R, R, 3) that all images show, colours over shading, where they are well seen.

    ``prior`` (R, R, 3) counts as one more image with the weight ``trust`` at each texel.
    """
    shading = shading_of(normal, light)
    # each image tells c = a s, with the squared shading as its certainty
    top = (colour * shading * weight[..., None]).sum(0) + trust * prior
    bottom = (shading.square() * weight[..., None]).sum(0) + trust
    return (top / bottom).clamp(0, 1)


def dynamic_skin(
    residual: Tensor, certainty: Tensor, expression: Tensor, attention: Tensor
) -> Tensor:
    """The maps ``Delta_i^R`` (K, 3, S, S) that explain best what a static skin leaves over.

    At each texel and for each colour they minimise
    ``sum_f c_f (r_f - sum_i w_fi A_i d_i)^2 + DYNAMIC_RIDGE sum_i d_i^2`` over the frames f.

    Parameters
    ----------
    residual : float, shape (B, S, S, 3); ``r``, the skin that each frame shows less the static one
    certainty : float, shape (B, S, S, 3); ``c``
    expression : float, shape (B, K); ``w``
    attention : float, shape (K, S, S); ``A``

    Notes
    -----
    There are fewer frames than shapes, so what is solved has a row a frame: with ``P = w A`` and
    ``C = diag(c)``, ``d = P' C^1/2 (C^1/2 P P' C^1/2 + ridge)^-1 C^1/2 r``.
    """
    many, side = residual.shape[:2]
    masks = attention.flatten(1).T  # (T, K)
    alike = torch.einsum("bk,tk,ck->tbc", expression, masks.square(), expression)
    maps: list[Tensor] = []
    for colour in range(3):
        root = certainty[..., colour].flatten(1).T.sqrt()  # (T, B)
        matrix = root[:, :, None] * alike * root[:, None] + DYNAMIC_RIDGE * torch.eye(many)
        right = root * residual[..., colour].flatten(1).T
        solved = root * torch.linalg.solve(matrix, right[..., None])[..., 0]
        maps.append((solved @ expression * masks).T.reshape(-1, side, side))
    return torch.stack(maps, dim=1)


def halved(maps: Tensor) -> Tensor:
    """Maps (B, 2 S, 2 S, C) at half their size, (B, S, S, C), each texel the mean of four."""
    return avg_pool2d(maps.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)


def shading_of(normal: Tensor, light: Tensor) -> Tensor:
    """What a white surface shows under lights (B, 9, 3), shape (B, R, R, 3)."""
    return (harmonic_basis(normal).flatten(1, 2) @ light / torch.pi).reshape(normal.shape)
