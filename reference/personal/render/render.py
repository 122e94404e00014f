"""From vertices, skin and light to an image, with gradients to all of them."""

# torch types its operations in part only
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from edgeface.reference.personal.render.interpolation import interpolate, vertex_normals
from edgeface.reference.personal.render.light import shade
from edgeface.reference.personal.render.visibility import visible_triangles


@dataclass(frozen=True)
class Camera:
    """A pinhole in the origin that looks along its z; x right, y down, principal point centred.

    Attributes
    ----------
    size : height and width of the image, px
    focal_px : focal length
    """

    size: tuple[int, int]
    focal_px: float

    def project(self, vertices: Tensor) -> Tensor:
        """Points (B, V, 3) in the camera's frame to (x, y, depth), x and y in image_px."""
        depth = vertices[..., 2:]
        centre = vertices.new_tensor([self.size[1] / 2, self.size[0] / 2])
        return torch.cat([self.focal_px * vertices[..., :2] / depth + centre, depth], dim=-1)


@dataclass(frozen=True)
class Rendering:
    """A batch of images and what they show where.

    Attributes
    ----------
    image : float, shape (B, H, W, 3); 0 where no surface is
    mask : bool, shape (B, H, W); where a surface is
    albedo, shading : float, shape (B, H, W, 3); the image is their product
    uv : float, shape (B, H, W, 2)
    """

    image: Tensor
    mask: Tensor
    albedo: Tensor
    shading: Tensor
    uv: Tensor


def render(
    vertices: Tensor,
    triangles: Tensor,
    uv: Tensor,
    albedo: Tensor,
    light: Tensor,
    camera: Camera,
) -> Rendering:
    """Draw faces (2020, Sec. 3.3).

    Parameters
    ----------
    vertices : float, shape (B, V, 3); in the camera's frame: x right, y down, z away from it
    triangles : int32, shape (T, 3); counter-clockwise where the camera sees their front
    uv : float, shape (V, 2), in [0, 1]; u right and v down over the albedo map
    albedo : float, shape (B, 3, R, R), linear in the image's values
    light : float, shape (B, 9, 3); `light.shade`
    camera : Camera

    Returns
    -------
    Rendering
        ``image = albedo(uv) * shade(normal, light)`` at each pixel's centre, with gradients to
        vertices, albedo and light. Silhouettes have none: which triangle a pixel shows is fixed.
    """
    points = camera.project(vertices)
    index = visible_triangles(points, triangles, camera.size)
    normals = vertex_normals(vertices, triangles)
    values = torch.cat([normals, uv.expand(len(vertices), -1, -1)], dim=-1)
    at_pixels = interpolate(points, triangles, index, values)
    normal = torch.nn.functional.normalize(at_pixels[..., :3], dim=-1, eps=1e-12)
    mask = index >= 0
    shading = torch.where(mask[..., None], shade(normal, light), 0.0)
    colour = sample(albedo, at_pixels[..., 3:])
    return Rendering(colour * shading, mask, colour, shading, at_pixels[..., 3:])


def sample(texture: Tensor, uv: Tensor) -> Tensor:
    """Textures (B, C, R, R) at uv (B, H, W, 2), bilinear between texel centres, (B, H, W, C)."""
    grid = uv * 2 - 1
    colour = grid_sample(texture, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return colour.permute(0, 2, 3, 1)
