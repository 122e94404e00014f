"""Changed last layers, beside what their hidden units say."""

import pytest
import torch

from edgeface.reference.networks.checkpoint import load_network
from edgeface.reference.networks.last_layers import hidden_units, with_changes


@pytest.mark.parametrize(("name", "size"), [("sfn", 128), ("mfn", 64)])
def test_a_change_adds_what_it_makes_of_the_hidden_units_and_nothing_else(name, size):
    trained = load_network(name)
    branch, outputs = str(trained.network.pose_branch), list(trained.config.network_kind.outputs)
    image = torch.randint(0, 256, (1, size, size, 3), dtype=torch.uint8)
    with torch.inference_mode(), hidden_units(trained.network, [branch]) as units:
        before = trained.network(image)
        given = units[branch].flatten(2).transpose(1, 2) if name == "mfn" else units[branch]
    weight, bias = torch.randn(8, given.shape[-1]), torch.randn(8)
    changed = with_changes(trained, {branch: (weight, bias)})
    with torch.inference_mode():
        after = changed.network(image)
    added = given @ weight.T + bias
    for k, (old, new) in enumerate(zip(before, after, strict=True)):
        if k == outputs.index("pose"):
            old, new = (
                v.unflatten(-1, (-1, 8)).reshape(*added.shape[:-1], -1, 8) for v in (old, new)
            )
            torch.testing.assert_close(new, old + added[..., None, :], atol=1e-4, rtol=1e-4)
        else:
            assert torch.equal(new, old)


def test_nothing_is_kept_after_the_network_was_watched():
    trained = load_network("sfn")
    with hidden_units(trained.network, [str(trained.network.identity_branch)]) as units:
        pass
    trained.network(torch.zeros(1, 128, 128, 3, dtype=torch.uint8))
    assert not units
