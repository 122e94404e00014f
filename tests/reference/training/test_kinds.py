"""A kind of network that the project does not have, added as ``docs/how-to/add-a-kind.md`` says."""

import numpy as np
import pytest
import torch
from torch import nn

from edgeface.kinds import KINDS, NetworkKind
from edgeface.reference.networks import CLASSES, CONFIGS, NetworkConfig, build_network
from edgeface.reference.networks.blocks import normalise
from edgeface.reference.networks.checkpoint import load_network
from edgeface.reference.networks.predict import predict_crop
from edgeface.reference.training.recipe import Recipe
from edgeface.reference.training.train import train

pytestmark = [
    # of the libraries, about machines with more cores and about their own changes
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


class ToyNetwork(nn.Module):
    """One linear layer an output, on the crop shrunk to 16 x 16."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        sizes = config.outputs.values()
        self.heads = nn.ModuleList(nn.Linear(3 * 16 * 16, size) for size in sizes)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        features = nn.functional.adaptive_avg_pool2d(normalise(image), 16).flatten(1)
        return tuple(head(features) for head in self.heads)


@pytest.fixture
def toy(monkeypatch):
    sfn = KINDS["sfn"]
    kind = NetworkKind("toy", detects=False, outputs=sfn.outputs, pose=sfn.pose)
    monkeypatch.setitem(KINDS, "toy", kind)
    monkeypatch.setitem(CLASSES, "toy", ToyNetwork)
    monkeypatch.setitem(CONFIGS, "toy", NetworkConfig("toy", False, 64, 0, (), (), 0))


def test_a_new_kind_trains_and_predicts(toy, tiny_packs, tmp_path):
    recipe = Recipe("toy", epochs=1, batch_size=8, licence="MIT")
    trained = load_network(train(recipe, tiny_packs, tmp_path))
    assert isinstance(trained.network, ToyNetwork)
    assert trained.licence == "MIT"
    faces = predict_crop(trained, np.full((64, 64, 3), 127, np.uint8))
    assert faces.landmarks_2d.shape == (1, 68, 2)


def test_every_kind_has_a_network():
    assert set(CLASSES) == set(KINDS)


@pytest.mark.parametrize("name", ["sfn", "mfn", "fusion"])
def test_a_network_gives_the_outputs_of_its_kind(name):
    config = CONFIGS[name]
    network = build_network(config).eval()
    size = config.input_size
    with torch.inference_mode():
        outputs = network(torch.zeros(1, size, size, 3, dtype=torch.uint8))
    copies = max(1, len(config.anchors))
    sizes = [size * copies for size in config.network_kind.outputs_with(gaze=config.gaze).values()]
    assert [output.shape[-1] for output in outputs] == sizes
