import threading
import time

import numpy as np
import pytest

from edgeface import InvalidInputError
from edgeface.video.pipeline import QUEUE_FRAMES, Channel, run_pipeline
from edgeface.video.reader import Frame

PICTURE = np.zeros((2, 2, 3), np.uint8)


def frames(count, error=None, each=lambda: None):
    for i in range(count):
        each()
        yield Frame(i, i / 30, PICTURE)
    if error is not None:
        raise error


def test_files_lose_nothing_and_keep_order():
    seen = []
    for frame, faces in run_pipeline(frames(50), lambda f: f.index * 2, live=False):
        time.sleep(0.001)
        seen.append((frame.index, faces))
    assert seen == [(i, 2 * i) for i in range(50)]


def test_a_live_source_drops_the_oldest():
    slow = threading.Event()

    def update(frame):
        slow.wait(0.02)
        return frame.index

    seen = [f.index for f, _ in run_pipeline(frames(200), update, live=True)]
    assert seen == sorted(seen)
    assert len(seen) < 200
    assert seen[-QUEUE_FRAMES:] == list(range(200 - QUEUE_FRAMES, 200))


def test_the_queue_is_bounded():
    read = []
    results = run_pipeline(frames(1000, each=lambda: read.append(1)), lambda f: f.index, live=False)
    next(results)
    time.sleep(0.1)
    assert len(read) <= 2 * QUEUE_FRAMES + 4
    results.close()


@pytest.mark.parametrize("step", ["reader", "network"])
def test_an_error_comes_after_everything_before_it(step):
    error = InvalidInputError("broke off")

    def update(frame):
        if step == "network" and frame.index == 20:
            raise error
        return frame.index

    seen = []
    results = run_pipeline(
        frames(20, error) if step == "reader" else frames(99), update, live=False
    )
    message = ""
    try:
        for frame, _ in results:
            seen.append(frame.index)
    except InvalidInputError as raised:
        message = str(raised)
    assert message == "broke off"
    assert seen == list(range(20))


def test_leaving_early_stops_every_thread():
    before = threading.active_count()
    results = run_pipeline(frames(10**6), lambda f: f.index, live=False)
    next(results)
    assert threading.active_count() == before + 2
    results.close()
    assert threading.active_count() == before


def test_an_abandoned_channel_lets_its_producer_go():
    channel = Channel(1)
    assert channel.put(1)
    channel.abandon()
    assert not channel.put(2)
    assert list(channel) == []
