"""Database fusion: targets, loss, training."""

from dataclasses import replace

import pytest

from edgeface.reference.checkpoint import load_network
from edgeface.reference.config import CONFIGS
from edgeface.reference.plot import read_log
from edgeface.reference.recipe import Recipe
from edgeface.reference.train import train

EVERY = ("300w+mesh", "video", "expressive", "wider")
pytestmark = [
    # of the libraries, about machines with more cores and about their own changes
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


def recipe(**changes):
    return Recipe(**({"network": "fusion", "epochs": 1, "batch_size": 8, "databases": EVERY}
                     | changes))  # fmt: skip


@pytest.fixture
def small_network(monkeypatch):
    monkeypatch.setitem(CONFIGS, "fusion", replace(CONFIGS["fusion"], width=0.5))


def test_fusion_training_goes_on_where_it_was_killed(
    tiny_packs, tmp_path, monkeypatch, small_network
):
    last = train(recipe(turned=0.3), tiny_packs, tmp_path)
    first = load_network(last)
    assert first.recipe["databases"] == EVERY
    assert first.face_model.harmonics is not None
    train(recipe(turned=0.3, epochs=2, precision="bf16-mixed"), tiny_packs, tmp_path)
    assert load_network(last).epoch == 1
    log = read_log(tmp_path)
    assert list(log["train_loss"]) == [0, 1]
    assert log["train_loss"][1] < log["train_loss"][0]
