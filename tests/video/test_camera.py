"""`Camera`: every frame of a file, the newest of what is live, and what is awaited."""

import asyncio
import threading
import time

import numpy as np
import pytest

import edgeface
from edgeface import InvalidInputError
from edgeface.video import camera as module
from edgeface.video.reader import Frame


class Live:
    """A source that shows a new picture every millisecond."""

    live = True

    def __init__(self, count):
        self.count, self.closed = count, False

    def __iter__(self):
        for index in range(self.count):
            time.sleep(0.001)
            yield Frame(index, index / 1000, np.full((4, 4, 3), index % 256, np.uint8))

    def close(self):
        self.closed = True


class Film(Live):
    live = False


@pytest.fixture
def opened(monkeypatch):
    """What `Camera` opens instead of a file or a device."""

    def put(source):
        monkeypatch.setattr(module, "open_video", lambda _: source)
        return source

    return put


def test_of_a_film_every_frame_comes(opened):
    film = opened(Film(20))
    with edgeface.Camera("film.mp4") as camera:
        assert [frame.index for frame in camera] == list(range(20))
    assert film.closed
    assert camera.num_dropped == 0


def test_whoever_is_slow_gets_the_newest_frame_of_what_is_live(opened):
    live = opened(Live(300))
    with edgeface.Camera(0) as camera:
        indices = []
        for frame in camera:
            indices.append(frame.index)
            time.sleep(0.02)
            if len(indices) == 4:
                break
    assert live.closed
    assert camera.num_dropped > 0
    assert indices[-1] > len(indices) - 1


def test_frames_can_be_awaited_while_the_loop_goes_on(opened):
    opened(Film(5))

    async def watch():
        seen, ticks = [], 0

        async def tick():
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0.0005)

        clock = asyncio.create_task(tick())
        async with edgeface.Camera("film.mp4") as camera:
            async for frame in camera:
                seen.append(frame.index)
        clock.cancel()
        return seen, ticks

    seen, ticks = asyncio.run(watch())
    assert seen == list(range(5))
    assert ticks > 2


def test_a_lost_source_is_an_error_after_its_last_frame(opened):
    class Broken(Live):
        def __iter__(self):
            yield Frame(0, 0.0, np.zeros((4, 4, 3), np.uint8))
            time.sleep(0.05)
            raise InvalidInputError("the camera is gone")

    opened(Broken(1))
    with edgeface.Camera() as camera:
        frames = iter(camera)
        assert next(frames).index == 0
        with pytest.raises(InvalidInputError, match="is gone"):
            next(frames)


def test_a_camera_is_open_inside_its_block_only(opened):
    opened(Film(1))
    camera = edgeface.Camera()
    with pytest.raises(InvalidInputError, match="inside a with block"):
        iter(camera)
    with camera:
        pass
    camera.close()
    with pytest.raises(InvalidInputError, match="inside a with block"):
        iter(camera)


def test_models_run_beside_the_loop():
    model, photo = edgeface.load("mfn"), edgeface.read_image(edgeface.DEMO_PHOTO)

    async def both():
        return await asyncio.gather(
            model.run_async(photo), model.run_async(photo, detail="fast", max_faces=2)
        )

    every, two = asyncio.run(both())
    np.testing.assert_array_equal(every.scores, model.run(photo).scores)
    assert len(two) == 2
    with pytest.raises(InvalidInputError, match="no such image"):
        asyncio.run(model.run_async("absent.jpg"))


def test_whoever_stops_waiting_for_a_camera_leaves_none_open(monkeypatch):
    live, begun, go_on = Live(5), threading.Event(), threading.Event()

    def slowly(_):
        begun.set()
        go_on.wait(5)
        return live

    monkeypatch.setattr(module, "open_video", slowly)

    async def watch():
        async with edgeface.Camera():
            pass

    async def give_up():
        watching = asyncio.create_task(watch())
        await asyncio.to_thread(begun.wait, 5)
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching
        go_on.set()
        while not live.closed:
            await asyncio.sleep(0.001)

    asyncio.run(asyncio.wait_for(give_up(), 5))
