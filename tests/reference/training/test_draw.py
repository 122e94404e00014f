"""Views as they are drawn from plans, against Pillow; and the same kernel for a GPU."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from edgeface.image import letterbox
from edgeface.reference.training.views.atlas import (
    LEVELS,
    build_atlas,
    halvings,
    open_atlas,
    write_atlas,
)
from edgeface.reference.training.views.augment import jitter
from edgeface.reference.training.views.draw import PLAN, Renderer
from edgeface.reference.training.views.plan import COVER, FADE, PASTE, Picture, lay, pack
from edgeface.reference.training.views.scenes import letterbox_matrix
from tests.oracles import draw as oracle
from tests.reference.devices import DEVICE, NothingFromTheCpu

SHAPES = ((256, 256), (120, 200), (97, 61))


def smooth(random, height, width):
    """A picture without detail, so that half a copy more or less hardly shows."""
    seed = Image.fromarray(random.integers(0, 256, (8, 8, 3), np.uint8))
    return np.asarray(seed.resize((width, height), Image.Resampling.BICUBIC))


@pytest.fixture
def pictures(random):
    return [random.integers(0, 256, (*shape, 3), np.uint8) for shape in SHAPES]


def random_layer(random, size, mode):
    number = int(random.integers(len(SHAPES)))
    picture = Picture(number, *SHAPES[number], mirrored=bool(random.random() < 0.5))
    angle, scale = random.uniform(-0.5, 0.5), np.exp(random.uniform(-2.5, 0.7))
    c, s = np.cos(angle) * scale, np.sin(angle) * scale
    x, y = random.uniform(-0.2, 0.8, 2) * size
    half = size // 2
    area = (0, 0, size, size) if random.random() < 0.7 else (half, 0, size, half)
    return lay(picture, np.array([[c, -s, x], [s, c, y]]), area, mode, random.uniform(-0.3, 1.3))


def random_views(random, size, count=8):
    modes = (COVER, PASTE, FADE, FADE, PASTE)
    return [[random_layer(random, size, m) for m in modes[: 1 + i % len(modes)]]
            for i in range(count)]  # fmt: skip


def by_pillow(view, atlas, size):
    layers = [
        (atlas.copy(a.picture, a.level), a.level, SHAPES[a.picture], a.inverse, a.area, a.mode)
        for a in view
    ]  # fmt: skip
    return oracle.draw(layers, size)


@pytest.mark.parametrize("seed", range(4))
def test_views_are_those_that_pillow_draws(pictures, seed):
    atlas, size = build_atlas(pictures), 96
    views = [[], *random_views(np.random.default_rng(seed), size)]
    drawn = Renderer(atlas)(pack(views, size)).numpy()
    assert (drawn[0] == 127).all()
    for ours, view in zip(drawn[1:], views[1:], strict=True):
        difference = np.abs(ours.astype(int) - by_pillow(view, atlas, size))
        # a centre on a picture's very edge may fall to either side of it
        assert np.quantile(difference, 0.999) <= 1 + len(view) // 3
        assert difference.mean() < 0.2


@pytest.mark.parametrize(("scale", "most"), [(0.9, 2), (0.4, 2), (0.13, 6)])
def test_a_shrunk_picture_is_about_the_runtimes(random, scale, most):
    """At 0.13 the picture's detail is as small as a pixel."""
    pixels = smooth(random, 240, 300)
    side = round(300 * scale)
    matrix = letterbox_matrix(240, 300, side)
    plan = pack([[lay(Picture(0, 240, 300), matrix, (0, 0, side, side))]], side)
    ours = Renderer(build_atlas([pixels]))(plan)[0].numpy().astype(float)
    theirs, _ = letterbox(pixels, side)
    inner = slice(side // 4, -side // 4)
    assert np.abs(ours - theirs)[inner, inner].mean() < most


@pytest.mark.parametrize("side", [1600, 1601, 1615])
def test_what_a_shrunk_picture_shows_lies_where_its_labels_do(side):
    """Whatever the picture's size is a multiple of."""
    pixels = np.zeros((side, side, 3), np.uint8)
    pixels[1540:1572, 1508:1540] = 255
    matrix = np.array([[1 / 16, 0, 0], [0, 1 / 16, 0]])
    plan = pack([[lay(Picture(0, side, side), matrix, (0, 0, 104, 104))]], 104)
    drawn = Renderer(build_atlas([pixels]))(plan)[0, ..., 0].numpy().astype(float)
    drawn[drawn == 127] = 0  # beyond the picture
    y, x = np.mgrid[0:104, 0:104] + 0.5
    place = [(drawn * x).sum() / drawn.sum(), (drawn * y).sum() / drawn.sum()]
    np.testing.assert_allclose(place, [1524 / 16, 1556 / 16], atol=0.02)


def test_an_atlas_in_a_file_is_the_one_in_memory(pictures, tmp_path):
    here = build_atlas(pictures)
    there = open_atlas(tmp_path / "pixels", *write_atlas(pictures, tmp_path / "pixels"))
    np.testing.assert_array_equal(there.pixels, here.pixels)
    np.testing.assert_array_equal(there.offset, here.offset)
    np.testing.assert_array_equal(there.shape, here.shape)
    for number, pixels in enumerate(pictures):
        for level, copy in enumerate(halvings(pixels)):
            np.testing.assert_array_equal(there.copy(number, level), copy)
    assert here.copy(2, LEVELS - 1).shape == (7, 4, 3)


KERNEL = """
import sys
import numpy as np
from numba import cuda
from edgeface.reference.training.views.draw import cuda_kernel
arrays = dict(np.load(sys.argv[1]))
out, size = np.zeros_like(arrays.pop("drawn")).reshape(-1), int(arrays.pop("size"))
cuda.jit(cuda_kernel())[-(-out.size // 3 // 64), 64](out, size, *arrays.values())
np.save(sys.argv[2], out)
"""


def test_the_gpus_kernel_draws_the_same(pictures, tmp_path):
    """In numba's simulator of CUDA: every line but the launch."""
    atlas, size = build_atlas(pictures), 20
    plan = pack(random_views(np.random.default_rng(5), size, 4), size)
    drawn = Renderer(atlas)(plan).numpy()
    plans = {name: plan[name].numpy() for name in PLAN}
    np.savez(tmp_path / "in.npz", drawn=drawn, size=size, **plans, pixels=atlas.pixels,
             offset=atlas.offset, shape=atlas.shape)  # fmt: skip
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "1"}
    command = [sys.executable, "-c", KERNEL, str(tmp_path / "in.npz"), str(tmp_path / "out.npy")]
    subprocess.run(command, check=True, env=environment, timeout=300)
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy").reshape(drawn.shape), drawn)


def test_jitter_stays_on_the_device_and_never_waits_for_it():
    images = torch.zeros(4, 8, 8, 3, dtype=torch.uint8, device=DEVICE)
    with NothingFromTheCpu():
        changed = jitter(images)
    assert changed.device == DEVICE
    assert changed.shape == images.shape
