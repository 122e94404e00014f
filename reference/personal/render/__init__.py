"""The differentiable renderer: camera, visibility, interpolation, texture and light."""

from edgeface.reference.personal.render.interpolation import interpolate, vertex_normals
from edgeface.reference.personal.render.light import ambient_light, harmonic_basis, shade
from edgeface.reference.personal.render.render import Camera, Rendering, render, sample
from edgeface.reference.personal.render.visibility import visible_triangles

__all__ = [
    "Camera",
    "Rendering",
    "ambient_light",
    "harmonic_basis",
    "interpolate",
    "render",
    "sample",
    "shade",
    "vertex_normals",
    "visible_triangles",
]
