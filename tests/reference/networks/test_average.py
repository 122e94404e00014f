from dataclasses import replace

import pytest
import torch

from edgeface.errors import InvalidInputError
from edgeface.reference.cli import main
from edgeface.reference.networks.average import average
from edgeface.reference.networks.checkpoint import SHIPPED, load_network, save_network


@pytest.fixture
def pair(tmp_path):
    """The shipped SFN, and the same with every weight larger by two."""
    first, second = load_network("sfn"), load_network("sfn")
    with torch.no_grad():
        for weight in second.network.parameters():
            weight += 2
    save_network(second, tmp_path / "second.ckpt")
    return first, second


def test_average_lies_between_its_two(pair, tmp_path):
    first, _ = pair
    command = ["average", str(SHIPPED["sfn"]), str(tmp_path / "second.ckpt"), "--share", "0.25"]
    assert main([*command, "--out", str(tmp_path / "mean.ckpt")]) == 0
    mean = load_network(tmp_path / "mean.ckpt")
    for (name, one), other in zip(
        first.network.named_parameters(), mean.network.parameters(), strict=True
    ):
        torch.testing.assert_close(other, one + 0.5, msg=name)


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_average_refuses_shares_beyond_both(pair, share):
    with pytest.raises(InvalidInputError, match="must be in"):
        average(*pair, share)


def test_a_mean_with_research_weights_is_not_free(pair):
    first, second = pair
    free = replace(second, recipe=second.recipe | {"free": True})
    with pytest.raises(InvalidInputError, match="the second was learned in a free run"):
        average(first, free, 0.5)
    assert not average(free, first, 0.5).recipe.get("free")


def test_average_refuses_other_networks():
    with pytest.raises(InvalidInputError, match="other layers"):
        average(load_network("sfn"), load_network("mfn"), 0.5)
