"""Channels made alike in range, without a change of the outputs."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from edgeface.reference.networks import CONFIGS, build_network
from edgeface.reference.networks.checkpoint import TrainedNetwork
from edgeface.reference.networks.equalise import equalised

NARROW = {"fusion": {"width": 0.25}, "sfn": {}}


@pytest.fixture(params=NARROW)
def uneven(request, face_model):
    """A network whose channels differ a hundredfold."""
    torch.manual_seed(0)
    config = replace(CONFIGS[request.param], input_size=64, **NARROW[request.param])
    network = build_network(config).eval()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                size = 10 ** torch.empty(module.num_features).uniform_(-1, 1)
                module.weight.mul_(size)
                module.bias.uniform_(-0.5, 0.5).mul_(size)
    return TrainedNetwork(config, network, face_model, 0, {})


@pytest.fixture
def images(random):
    return random.integers(0, 256, (6, 64, 64, 3), np.uint8)


def spread(network, images):
    """The largest over the median range of the channels, a value for each joint."""
    found = []

    def note(_, __, output):
        ranges = output.abs().transpose(0, 1).flatten(1).amax(dim=1)
        found.append(float(ranges.max() / ranges.median()))

    joints = [j for m in network.modules() if hasattr(m, "joints") for j in m.joints()]
    hooks = [maker.register_forward_hook(note) for maker, _ in joints]
    with torch.inference_mode():
        network(torch.from_numpy(images))
    for hook in hooks:
        hook.remove()
    return np.array(found)


def test_outputs_stay_and_ranges_come_together(uneven, images):
    before = {k: v.clone() for k, v in uneven.network.state_dict().items()}
    even = equalised(uneven, images)
    with torch.inference_mode():
        truth = uneven.network(torch.from_numpy(images))
        found = even.network(torch.from_numpy(images))
    for a, b in zip(found, truth, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4 * float(b.abs().max()))
    wide, narrow = spread(uneven.network, images), spread(even.network, images)
    assert np.median(narrow) < 0.6 * np.median(wide)
    for name, weight in uneven.network.state_dict().items():
        torch.testing.assert_close(weight, before[name], rtol=0, atol=0)


@pytest.mark.parametrize("uneven", ["fusion"], indirect=True)
def test_what_a_depthwise_layer_reads_is_alike(uneven, images):
    reach = spread(equalised(uneven, images).network, images)[::2]  # every other joint is one's
    np.testing.assert_allclose(reach, 1, rtol=0.01)
