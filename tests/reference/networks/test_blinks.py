from dataclasses import replace

import pytest
import torch

from edgeface.errors import InvalidInputError
from edgeface.reference.geometry.lids import BLINKS
from edgeface.reference.networks.blinks import with_blinks
from edgeface.reference.networks.checkpoint import load_network


@pytest.mark.parametrize(("name", "size"), [("sfn", 128), ("mfn", 64)])
def test_only_the_logits_of_blinks_are_stretched(name, size):
    trained = load_network(name)
    stretched = with_blinks(trained, 1.25, 0.5)
    image = torch.randint(0, 256, (1, size, size, 3), dtype=torch.uint8)
    with torch.inference_mode():
        before, after = (each.network(image) for each in (trained, stretched))
    outputs = list(trained.config.network_kind.outputs)
    blinks = torch.zeros(46, dtype=torch.bool)
    blinks[list(BLINKS)] = True
    for k, (old, new) in enumerate(zip(before, after, strict=True)):
        if k == outputs.index("expression"):
            old, new = (values.unflatten(-1, (-1, 46)) for values in (old, new))
            torch.testing.assert_close(new[..., blinks], 1.25 * old[..., blinks] + 0.5)
            old, new = (values[..., ~blinks] for values in (old, new))
        torch.testing.assert_close(new, old)


def test_a_face_model_without_blinks_is_refused():
    trained = load_network("sfn")
    names = tuple(name.replace("Blink", "Wink") for name in trained.face_model.expression_names)
    renamed = replace(trained, face_model=replace(trained.face_model, expression_names=names))
    with pytest.raises(InvalidInputError, match="lacks eyeBlinkRight or eyeBlinkLeft"):
        with_blinks(renamed, 1.0, 0.0)


def test_blinks_of_another_network_are_refused():
    with pytest.raises(InvalidInputError, match="not in a fusion"):
        with_blinks(load_network("fusion"), 1.0, 0.0)
