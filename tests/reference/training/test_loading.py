from types import SimpleNamespace

import numpy as np
import pytest
from torch.utils.data import RandomSampler

from edgeface.errors import InvalidInputError
from edgeface.face_model import EXPRESSION_NAMES
from edgeface.reference.networks.checkpoint import SHIPPED, load_network
from edgeface.reference.training import loading
from edgeface.reference.training.loading import Again, Split, load_batches, unseen_expressions
from edgeface.reference.training.recipe import Recipe


def test_unseen_expressions_are_those_that_no_face_shows():
    scores = np.zeros((4, 46), np.float32)
    scores[0], scores[3] = 0.5, np.nan
    scores[:, [3, 7]] = [[0.01], [0.04], [0.0], [np.nan]]
    scores[2, 7] = 0.3
    assert unseen_expressions(scores) == (EXPRESSION_NAMES[3],)


def test_without_a_teacher_no_expression_is_called_unseen():
    assert unseen_expressions(np.full((3, 46), np.nan)) == ()
    assert unseen_expressions(np.zeros((0, 46))) == ()


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_weights_say_their_licence_and_what_they_were_never_taught(name):
    trained = load_network(name)
    free = name.endswith("-free")
    assert ("any use" if free else "research use only") in trained.licence
    # rendered people puff their cheeks
    assert ("cheekPuff" in trained.unseen_expressions) != free


def test_a_sampler_begins_again_until_there_are_enough():
    order = Again(RandomSampler(range(3)), 7)
    drawn = list(order)
    assert len(drawn) == len(order) == 7
    assert sorted(drawn[:3]) == sorted(drawn[3:6]) == [0, 1, 2]


@pytest.mark.parametrize(("count", "sizes"), [(3, [3]), (8, [8]), (9, [8])])
def test_fewer_views_than_a_batch_are_learned_from(count, sizes):
    numbers = list(range(count))
    split = Split(numbers, RandomSampler(numbers), 8, np.zeros((0, 46)), [])
    assert [len(batch) for batch in load_batches(split, validation=False, workers=0)] == sizes


@pytest.mark.parametrize("faces", [3, 100])
def test_an_epoch_of_few_of_many_faces_has_as_many_views_as_are_asked_for(faces):
    few = RandomSampler(range(faces), num_samples=3)
    split = Split(list(range(faces)), few, 2, np.zeros((0, 46)), [])
    assert len(load_batches(split, validation=False, workers=0, least=12)) == 6


@pytest.mark.parametrize(
    ("validation", "lacking", "told"),
    [
        (False, "photos", "the training split has no readable photo;"),
        (True, "photos", "the validation split has no readable photo;"),
        (False, "empty", "the training split has no readable photo without faces;"),
    ],
)
def test_a_split_without_photos_is_named(
    monkeypatch, face_model, tmp_path, validation, lacking, told
):
    found = SimpleNamespace(**({"photos": [0], "empty": [0]} | {lacking: []}))
    monkeypatch.setattr(loading, "prepare", lambda *_: found)
    recipe = Recipe("mfn", epochs=1, batch_size=8)
    with pytest.raises(InvalidInputError, match=told):
        loading.read_scenes(recipe, face_model, tmp_path, validation)
