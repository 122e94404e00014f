from dataclasses import replace

import pytest
import torch

from edgeface.reference.geometry.boxes import decode_boxes
from edgeface.reference.networks import CONFIGS, build_network
from edgeface.reference.networks.average import average
from edgeface.reference.networks.cells import with_cell_range
from edgeface.reference.networks.checkpoint import TrainedNetwork

CONFIG = replace(CONFIGS["mfn-9x9"], input_size=64)
ANCHORS = torch.tensor(CONFIG.anchors)


@pytest.fixture
def narrow(face_model):
    network = build_network(CONFIG).eval()
    with torch.no_grad():
        head = network.heads[0][-1]
        head.weight[:] = torch.randn_like(head.weight) * 1e-2
        head.bias[:] = torch.randn_like(head.bias) * 0.3
    return TrainedNetwork(CONFIG, network, face_model, 0, {})


def boxes_of(trained):
    image = torch.arange(64 * 64 * 3).reshape(1, 64, 64, 3).to(torch.uint8)
    with torch.inference_mode():
        detection = trained.network(image)[0].reshape(1, 2, 2, 5, 5)
        return decode_boxes(detection, ANCHORS, 32, trained.config.cell_range)


def test_weights_of_another_cell_range_place_boxes_as_before(narrow):
    wide = with_cell_range(narrow, 2.0)
    ours, theirs = boxes_of(narrow), boxes_of(wide)
    assert wide.config == replace(CONFIG, cell_range=2.0)
    middles = 32 * torch.tensor([0.5, 1.5])
    assert (ours[..., 0] - middles[:, None]).abs().max() > 2.0
    torch.testing.assert_close(ours[..., :2], theirs[..., :2], rtol=0, atol=0.5)
    torch.testing.assert_close(ours[..., 2:], theirs[..., 2:])
    again = with_cell_range(wide, 1.0)
    torch.testing.assert_close(boxes_of(again), ours)


def test_what_has_no_cells_or_the_same_is_left_as_it_is(narrow):
    assert with_cell_range(narrow, 1.0) is narrow
    crops = replace(narrow, config=CONFIGS["sfn"])
    assert with_cell_range(crops, 2.0) is crops


def test_trainings_on_two_ranges_have_a_mean(narrow):
    wide = with_cell_range(narrow, 2.0)
    torch.testing.assert_close(boxes_of(average(narrow, wide, 0.5)), boxes_of(wide))
