"""The differentiable renderer against ray casting, and its gradients against finite differences."""

from __future__ import annotations

import numba
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra: edgeface[personal]")

from edgeface.reference.personal.render import (  # noqa: E402
    Camera,
    ambient_light,
    harmonic_basis,
    interpolate,
    render,
    shade,
    vertex_normals,
    visible_triangles,
)
from edgeface.reference.personal.render.interpolation import gathered  # noqa: E402
from edgeface.reference.personal.render.threads import on_own_threads  # noqa: E402
from edgeface.reference.personal.render.visibility import sorted_by_depth  # noqa: E402
from tests.oracles.raycast import cast  # noqa: E402

CAMERA = Camera((24, 20), 40.0)


def bumpy_sheet(random, dtype=torch.float32):
    """A curved sheet that folds over itself: vertices (1, 36, 3), triangles, uv."""
    side = 6
    u, v = np.meshgrid(np.linspace(0, 1, side), np.linspace(0, 1, side))
    # off the grid, so that no pixel's centre lies on an edge, where images have a kink
    x = (u.ravel() - 0.5) * 2.2 + 0.03 * random.normal(size=side * side)
    y = (v.ravel() - 0.5) * 2.6 + 0.03 * random.normal(size=side * side)
    z = 5 + np.sin(4 * u.ravel()) + 0.15 * random.normal(size=side * side)
    corner = np.arange(side * side).reshape(side, side)[:-1, :-1].ravel()
    first = np.stack([corner, corner + side, corner + 1], axis=1)
    second = np.stack([corner + 1, corner + side, corner + side + 1], axis=1)
    triangles = np.concatenate([first, second]).astype(np.int32)
    vertices = torch.tensor(np.stack([x, y, z], axis=1), dtype=dtype)[None]
    uv = torch.tensor(np.stack([u.ravel(), v.ravel()], axis=1), dtype=dtype)
    return vertices, torch.from_numpy(triangles), uv


def test_visibility_and_weights_are_those_of_rays(random):
    vertices, triangles, _ = bumpy_sheet(random)
    points = CAMERA.project(vertices)
    index = visible_triangles(points, triangles, CAMERA.size)
    corners = torch.eye(3)[None].expand(1, -1, -1).contiguous()
    each = torch.arange(3, dtype=torch.int32).expand(len(triangles), -1).contiguous()
    weights = interpolate(points, triangles, index, corners, each)
    true_index, true_weights = cast(
        vertices[0].double().numpy(), triangles.numpy(), CAMERA.size, CAMERA.focal_px
    )
    assert (true_index >= 0).sum() > 150
    np.testing.assert_array_equal(index[0], true_index)
    np.testing.assert_allclose(weights[0], true_weights, atol=2e-5)


def test_nearer_triangles_hide_farther_ones_whatever_their_order():
    near = np.array([[-1, -1, 2], [-1, 1, 2], [1, -1, 2]])
    far = near + np.array([0, 0, 1])
    vertices = torch.tensor(np.concatenate([far, near]), dtype=torch.float32)[None]
    triangles = torch.tensor([[0, 1, 2], [3, 4, 5]], dtype=torch.int32)
    points = CAMERA.project(vertices)
    assert visible_triangles(points, triangles, CAMERA.size).unique().tolist() == [-1, 1]
    assert visible_triangles(points, triangles.flip(0), CAMERA.size).unique().tolist() == [-1, 0]


@pytest.mark.parametrize("case", ["behind the camera", "back to the camera", "outside the image"])
def test_what_the_camera_cannot_see_is_not_drawn(case):
    corners = torch.tensor([[[-1.0, -1, 2], [-1, 1, 2], [1, -1, 2]]])
    triangles = torch.tensor([[0, 1, 2]], dtype=torch.int32)
    if case == "behind the camera":
        corners = corners * torch.tensor([1.0, 1, -1])
    elif case == "back to the camera":
        triangles = triangles.flip(1).contiguous()
    else:
        corners = corners + torch.tensor([50.0, 0, 0])
    index = visible_triangles(CAMERA.project(corners), triangles, CAMERA.size)
    assert (index == -1).all()


def test_whole_array_versions_are_the_loops(random):
    vertices, triangles, uv = bumpy_sheet(random)
    points = CAMERA.project(vertices)
    index = visible_triangles(points, triangles, CAMERA.size)
    assert torch.equal(sorted_by_depth(points[0], triangles, CAMERA.size), index[0])
    expected = interpolate(points, triangles, index, uv[None])
    torch.testing.assert_close(gathered(points, triangles, index, uv[None], triangles), expected)


@pytest.mark.parametrize("of", ["points", "values"])
def test_interpolation_has_the_gradient_of_finite_differences(random, of):
    vertices, triangles, uv = bumpy_sheet(random, torch.float64)
    points = CAMERA.project(vertices)
    index = visible_triangles(points, triangles, CAMERA.size)
    inputs = {"points": points.clone(), "values": uv[None].clone()}
    inputs[of].requires_grad_()

    def drawn(tensor):
        both = inputs | {of: tensor}
        return interpolate(both["points"], triangles, index, both["values"])

    assert torch.autograd.gradcheck(drawn, (inputs[of],), eps=1e-6, atol=1e-7, rtol=1e-6)


def test_normals_have_the_gradient_of_finite_differences(random):
    vertices, triangles, _ = bumpy_sheet(random, torch.float64)
    assert torch.autograd.gradcheck(
        lambda v: vertex_normals(v, triangles), (vertices.requires_grad_(),), atol=1e-7, rtol=1e-6
    )


def test_an_image_has_the_gradient_of_finite_differences_off_silhouettes(random):
    vertices, triangles, uv = bumpy_sheet(random, torch.float64)
    albedo = torch.tensor(random.random((1, 3, 8, 8)))
    light = ambient_light(1).double() + torch.tensor(random.normal(0, 0.2, (1, 9, 3)))
    inputs = {"vertices": vertices, "albedo": albedo, "light": light}
    for tensor in inputs.values():
        tensor.requires_grad_()

    def image():
        return render(inputs["vertices"], triangles, uv, inputs["albedo"], inputs["light"], CAMERA)

    first = image()
    weight = torch.tensor(random.random(first.image.shape)) * off_edges(first.mask)[..., None]
    step = 1e-6
    (first.image * weight).sum().backward()
    for name, tensor in inputs.items():
        gradient = tensor.grad.clone()
        direction = torch.tensor(random.normal(size=tensor.shape))
        with torch.no_grad():
            tensor += step * direction
            above = (image().image * weight).sum()
            tensor -= 2 * step * direction
            below = (image().image * weight).sum()
            tensor += step * direction
        numeric = float(above - below) / (2 * step)
        analytic = float((gradient * direction).sum())
        assert numeric == pytest.approx(analytic, rel=1e-6), name


def off_edges(mask):
    """1 where a pixel and its eight neighbours are covered, float64."""
    covered = mask.double()[:, None]
    return -torch.nn.functional.max_pool2d(1 - covered, 3, stride=1, padding=1)[:, 0] + 1


def test_white_light_from_everywhere_shows_the_albedo_itself():
    normals = torch.nn.functional.normalize(torch.randn(1, 50, 3), dim=-1)
    torch.testing.assert_close(shade(normals, ambient_light(1, 0.7)), torch.full((1, 50, 3), 0.7))


def test_basis_is_that_of_real_harmonics_times_the_lambertian_kernel(random):
    scipy = pytest.importorskip("scipy.special")
    normal = random.normal(size=(20, 3))
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    polar, azimuth = np.arccos(normal[:, 2]), np.arctan2(normal[:, 1], normal[:, 0])
    basis = harmonic_basis(torch.tensor(normal)).numpy()
    kernel = (np.pi, 2 * np.pi / 3, np.pi / 4)
    for column, (n, m) in enumerate(
        [(0, 0), (1, -1), (1, 0), (1, 1), (2, -2), (2, -1), (2, 0), (2, 1), (2, 2)]
    ):
        complex_harmonic = scipy.sph_harm_y(n, abs(m), polar, azimuth)
        real = {0: complex_harmonic.real}.get(m)
        if real is None:
            part = complex_harmonic.real if m > 0 else complex_harmonic.imag
            real = np.sqrt(2) * (-1) ** m * part
        np.testing.assert_allclose(basis[:, column], kernel[n] * real, atol=1e-12)


def test_loops_have_no_more_threads_than_torch(monkeypatch):
    """A worker of training has one, and others would not come."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert on_own_threads(numba.get_num_threads) == 1
    monkeypatch.undo()
    expected = min(torch.get_num_threads(), numba.config.NUMBA_NUM_THREADS)
    assert on_own_threads(numba.get_num_threads) == expected
