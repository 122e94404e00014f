"""The example server: what it answers, and that its limits hold."""

import asyncio
import importlib.util
import io
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import edgeface
from edgeface import pictures

pytest.importorskip("fastapi")
httpx = pytest.importorskip("httpx")

FILE = Path(__file__).parents[2] / "examples" / "server" / "server.py"


@pytest.fixture(scope="module")
def server():
    spec = importlib.util.spec_from_file_location("example_server", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def usual_pixels(monkeypatch):
    """The limit of the process, which a server sets, is again what it was."""
    monkeypatch.setattr(pictures, "MAX_PIXELS", pictures.MAX_PIXELS)


def answers(app, *requests):
    """The responses to requests that are sent at the same time, and then to ``/health``."""

    async def exchange():
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://test") as client,
        ):
            sent = [client.post("/faces", **request) for request in requests]
            return [*await asyncio.gather(*sent), await client.get("/health")]

    return asyncio.run(exchange())


class Slow:
    """A model that takes its time."""

    def __init__(self, seconds):
        self.seconds, self.at_once, self.most = seconds, 0, 0
        self.metadata = edgeface.load("sfn").metadata
        self.nobody = edgeface.load("mfn").run(np.zeros((32, 32, 3), np.uint8))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def run(self, image, **_):
        edgeface.read_image(image)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        time.sleep(self.seconds)
        self.at_once -= 1
        return self.nobody

    async def run_async(self, image, **options):
        return await asyncio.to_thread(self.run, image, **options)


def png(side):
    file = io.BytesIO()
    Image.new("L", (side, side)).save(file, "PNG")
    return file.getvalue()


def test_faces_of_a_photo(server):
    photo = Path(edgeface.DEMO_PHOTO).read_bytes()
    every, two, no_image, bad, health = answers(
        server.create_app(),
        {"content": photo},
        {"content": photo, "params": {"max_faces": 2}},
        {"content": b"no image"},
        {"content": photo, "params": {"detail": "full"}},
    )
    expected = edgeface.load("mfn", refine="sfn").run(photo)
    assert every.json()["faces"] == expected.to_dict()
    assert (len(two.json()["faces"]), two.json()["truncated"]) == (2, True)
    assert no_image.status_code == 422
    assert "no readable image" in no_image.json()["detail"]
    assert bad.status_code == 422
    assert health.json()["busy"] == 0


def test_large_photos_are_refused_before_they_are_decoded(server):
    limits = server.Limits(max_bytes=3000, max_pixels=10_000)
    bomb = b"P5 50000 50000 255\n"  # more pixels than Pillow itself opens
    small, many_pixels, too_many, many_bytes, _ = answers(
        server.create_app(lambda: Slow(0), limits),
        {"content": png(100)},
        {"content": png(101)},
        {"content": bomb},
        {"content": bytes(3001)},
    )
    assert [r.status_code for r in (small, many_pixels, too_many, many_bytes)] == [
        200, 422, 422, 413,
    ]  # fmt: skip
    assert "101 x 101 is more than 10,000 pixels" in many_pixels.json()["detail"]
    assert "50000 x 50000 is more than 10,000 pixels" in too_many.json()["detail"]


@pytest.mark.parametrize(("hangs_up", "status"), [(False, 408), (True, 400)])
def test_photos_that_do_not_arrive_are_given_up(server, hangs_up, status):
    app, sent = server.create_app(lambda: Slow(0), server.Limits(seconds=0.05)), []
    scope = {"type": "http", "method": "POST", "path": "/faces", "query_string": b"", "headers": []}

    async def receive():
        if hangs_up:
            return {"type": "http.disconnect"}
        await asyncio.sleep(0.01)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def send(message):
        sent.append(message)

    async def exchange():
        async with app.router.lifespan_context(app):
            await asyncio.wait_for(app(scope, receive, send), 5)

    asyncio.run(exchange())
    assert sent[0]["status"] == status


def test_so_many_run_so_many_wait_and_others_are_refused(server):
    model, limits = Slow(0.2), server.Limits(at_once=2, waiting=1)
    *replies, _ = answers(server.create_app(lambda: model, limits), *[{"content": png(9)}] * 5)
    assert sorted(r.status_code for r in replies) == [200, 200, 200, 503, 503]
    assert all("Retry-After" in r.headers for r in replies if r.status_code == 503)
    assert model.most == 2


def test_what_takes_too_long_is_given_up_but_holds_its_turn(server):
    limits = server.Limits(at_once=1, seconds=0.05)
    reply, health = answers(server.create_app(lambda: Slow(0.5), limits), {"content": png(9)})
    assert reply.status_code == 504
    assert health.json()["busy"] == 1
