"""A gaze head learned alone: patches where eyes are, and nothing else that changes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from edgeface.errors import InvalidInputError
from edgeface.reference.networks import CONFIGS, build_network
from edgeface.reference.networks.checkpoint import TrainedNetwork
from edgeface.reference.networks.sfn import PATCH, PATCH_WIDTH, GazeHead
from edgeface.reference.training.gaze import Seen, learn_gaze, learn_head

SIZE = 64


def sampled(picture, x, y, width):
    """A patch pixel by pixel: bilinear between the four pixel centres around, nothing beyond."""
    rows, columns = PATCH
    out = np.zeros(PATCH)
    step = PATCH_WIDTH / columns * width
    for r in range(rows):
        for c in range(columns):
            u = x + (c - (columns - 1) / 2) * step - 0.5
            v = y + (r - (rows - 1) / 2) * step - 0.5
            for i in (int(np.floor(v)), int(np.floor(v)) + 1):
                for j in (int(np.floor(u)), int(np.floor(u)) + 1):
                    if 0 <= i < SIZE and 0 <= j < SIZE:
                        out[r, c] += (1 - abs(v - i)) * (1 - abs(u - j)) * picture[i, j]
    return out


def test_patches_are_sampled_where_the_eyes_are(random):
    head = GazeHead(SIZE, 2)
    places = ((20.3, 44.0), (25.1, 70.0), (11.0, 13.0))  # the second one reaches over the edge
    with torch.no_grad():
        for part, values in zip((head.x, head.y, head.width), places, strict=True):
            part.bias.copy_(torch.tensor(values))
        picture = random.uniform(-1, 1, (SIZE, SIZE)).astype(np.float32)
        read = head.inputs(torch.from_numpy(picture)[None, None], torch.zeros(1, 4))[0]
    rows, columns = PATCH
    assert read.shape == (2 * rows * columns + 4,)
    for eye in range(2):
        patch = sampled(picture, *(values[eye] for values in places))
        beyond = patch - patch.mean()
        expected = beyond / (np.maximum(beyond, 0).mean() + 0.02)
        got = read[eye * rows * columns : (eye + 1) * rows * columns].reshape(PATCH).numpy()
        np.testing.assert_allclose(got, expected, atol=1e-4)


def test_contrast_and_brightness_do_not_matter():
    head = GazeHead(SIZE, 2)
    grey = torch.rand(1, 1, SIZE, SIZE) - 0.5
    with torch.no_grad():
        first, second = (head.inputs(g, torch.zeros(1, 4)) for g in (grey, 0.6 * grey + 0.2))
    ratio = float(second.norm() / first.norm())
    assert 0.8 < ratio < 1  # a patch without any contrast must not become noise
    np.testing.assert_allclose(second, ratio * first, atol=0.1)


def spots_for_irises(random, count):
    """Eyes are bright with a dark spot; hidden units say where, and some eyes have no label."""
    middles = random.uniform([[18, 28], [40, 28]], [[24, 34], [46, 34]], (count, 2, 2))
    gaze = random.uniform(-0.4, 0.4, (count, 2, 2)).astype(np.float32)
    spots = middles + 6 * gaze[..., ::-1]
    v, u = np.mgrid[0:SIZE, 0:SIZE] + 0.5
    grey = np.full((count, SIZE, SIZE), 200.0)
    for eye in range(2):
        away = (u - spots[:, eye, 0, None, None]) ** 2 + (v - spots[:, eye, 1, None, None]) ** 2
        grey -= 150 * np.exp(-away / 8)
    eyes = np.concatenate([middles, np.full((count, 2, 1), 12.0)], axis=2).astype(np.float32)
    hidden = (middles.reshape(count, 4) / SIZE).astype(np.float32)
    labels = gaze.reshape(count, 4).copy()
    labels[::7, 2:] = np.nan
    return gaze, Seen(*map(torch.from_numpy, (grey.astype(np.uint8), hidden, labels, eyes)))


def test_a_head_learns_from_a_spot_where_the_iris_is(random):
    gaze, seen = spots_for_irises(random, 1500)
    torch.manual_seed(0)
    head = learn_head(Seen(*(getattr(seen, n)[:1300] for n in Seen.__annotations__)), SIZE)
    with torch.no_grad():
        pictures = (seen.grey[1300:, None].float() / 127.5 - 1).expand(-1, 3, -1, -1)
        found = head(pictures, seen.hidden[1300:]).numpy().reshape(-1, 2, 2)
    off = np.linalg.norm(found - gaze[1300:], axis=2).mean()
    assert off < 0.08
    assert np.linalg.norm(gaze[1300:], axis=2).mean() > 0.25


@pytest.mark.parametrize("count", [40, 1])
def test_a_head_learns_from_fewer_faces_than_a_batch_has(random, count):
    gaze, seen = spots_for_irises(random, count)
    seen.gaze[:] = torch.from_numpy(gaze.reshape(count, 4))
    torch.manual_seed(0)
    head = learn_head(seen, SIZE)
    pictures = (seen.grey[:, None].float() / 127.5 - 1).expand(-1, 3, -1, -1)
    with torch.no_grad():
        found = head(pictures, seen.hidden).numpy().reshape(-1, 2, 2)
    assert np.linalg.norm(found - gaze, axis=2).mean() < 0.2


def test_everything_else_stays_as_it_is(tiny_packs, face_model):
    torch.manual_seed(1)
    config = replace(CONFIGS["sfn"], gaze=False)
    trained = TrainedNetwork(config, build_network(config).eval(), face_model, 3, {})
    taught = learn_gaze(trained, tiny_packs, passes=1)
    assert taught.config.gaze
    image = torch.randint(0, 256, (2, 128, 128, 3), dtype=torch.uint8)
    with torch.no_grad():
        before, after = trained.network(image), taught.network(image)
    assert len(after) == 4
    for a, b in zip(before, after, strict=False):
        assert torch.equal(a, b)


def test_a_free_network_learns_from_nothing_that_the_ledger_lacks(tiny_packs, face_model):
    config = replace(CONFIGS["sfn"], gaze=False)
    trained = TrainedNetwork(config, build_network(config).eval(), face_model, 3, {"free": True})
    with pytest.raises(InvalidInputError, match=r"cannot open the data pack .*faces68-webmorph"):
        learn_gaze(trained, tiny_packs, passes=1)


def test_only_an_sfn_can_be_taught(tiny_packs, face_model):
    config = CONFIGS["fusion"]
    trained = TrainedNetwork(config, build_network(config).eval(), face_model, 0, {})
    with pytest.raises(InvalidInputError, match="only an sfn tells where eyes look"):
        learn_gaze(trained, tiny_packs, passes=1)
