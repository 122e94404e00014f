"""The shipped weights on the real clips, against the figures of ``docs/video.md``."""

import pytest

import edgeface
from benchmarks import jitter, tracking

pytest.importorskip("av")


@pytest.fixture(scope="module")
def networks():
    return edgeface.load("mfn"), edgeface.load("sfn")


@pytest.fixture(params=["mfn", "sfn"])
def options(request, networks):
    return {} if request.param == "mfn" else {"sfn": networks[1], "max_crops": 8}


def test_the_talking_head_is_one_person(networks, options, data_folder):
    tracker = edgeface.Tracker(networks[0], **options)
    found = tracking.track_clip(tracker, data_folder / "video" / "talking-head.mp4")
    assert {track for boxes in found for track in boxes} == {1}
    assert sum(not boxes for boxes in found) <= 10


def test_people_in_the_street_keep_their_numbers(networks, options, data_folder):
    tracker = edgeface.Tracker(networks[0], **options)
    found = tracking.track_clip(tracker, data_folder / "video" / "street-several-faces.mp4")
    total = tracking.count(tracking.read_truth(), found)
    assert total.found > 0
    assert total.switches <= 2
    assert total.false_alarms <= 0.05 * total.faces


@pytest.mark.parametrize(("strength", "most"), [("off", 0.20), ("light", 0.08)])
def test_jitter_under_noise(networks, options, strength, most):
    values = jitter.jitter_percent(edgeface.Tracker(networks[0], smoothing=strength, **options))
    assert values[1] <= most  # the first and best found of the photo's faces, 165 px high
