"""The page of ``edgeface demo``: who may see it, how many, and what it survives."""

import contextlib
import http.client
import itertools
import json
import socket
import tempfile
import threading
import time
import urllib.request
from dataclasses import replace
from urllib.parse import urlsplit

import numpy as np
import pytest

from edgeface import InvalidInputError
from edgeface.video import live
from edgeface.video import unending as repeating
from edgeface.video.live import MAX_CLIENTS, LiveView
from edgeface.video.reader import Frame
from edgeface.video.unending import unending
from tests.fakes import Person, Scene, frame_image


@pytest.fixture
def network(face_model):
    return Scene("mfn", face_model, [Person((48, 32), side=40)])


@pytest.fixture
def view(network):
    made = LiveView(network, "a clip", 0, ["camera:0"])
    yield made
    made.close()


@pytest.fixture
def show(view, network):
    """Sends a frame of a time to the page."""

    def send(time_s):
        image = frame_image(0, (64, 96))
        view.show(Frame(0, time_s, image), replace(network.run(image), track_ids=np.array([4])))

    return send


def ask(view, path=None, headers=None, host=None):
    """Status and headers of an answer."""
    parts = urlsplit(view.url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=5)
    sent = {"Host": host or parts.netloc} | (headers or {})
    connection.putrequest("GET", parts.path if path is None else path, skip_host=True)
    for name, value in sent.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    connection.close()
    return answer.status, dict(answer.getheaders())


def test_the_address_is_needed(view, network):
    word = urlsplit(view.url).path.strip("/")
    assert len(word) >= 20
    other = LiveView(network, "a clip", 0)
    assert urlsplit(other.url).path != urlsplit(view.url).path
    other.close()
    assert ask(view)[0] == 200
    for path in ("/", "/faces", "/video", f"/{word}", f"/{word[:-1]}/", f"/{word}/../", "/x/",
                 f"/{word}/secret", "/%ff/", urlsplit(other.url).path):  # fmt: skip
        assert ask(view, path)[0] == 404


def test_names_of_this_machine_are_answered(view):
    port = urlsplit(view.url).port
    for host in ("127.0.0.1", "localhost", "LOCALHOST"):
        assert ask(view, host=f"{host}:{port}")[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "",
             "localhost.evil.com:{port}", "127.0.0.1:{port}.evil.com", "0.0.0.0:{port}"],
)  # fmt: skip
def test_a_name_that_was_bound_to_this_machine_gets_nothing(view, host):
    """DNS rebinding: a stranger's name that resolves to 127.0.0.1."""
    path = urlsplit(view.url).path
    host = host.format(port=urlsplit(view.url).port) or " "
    assert ask(view, path + "video", host=host)[0] == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "https://127.0.0.1:{port}"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_another_sites_page_gets_nothing(view, headers):
    headers = {k: v.format(port=urlsplit(view.url).port) for k, v in headers.items()}
    assert ask(view, headers=headers)[0] == 403


def test_its_own_page_is_answered_and_framed_by_nobody(view):
    origin = view.url.removesuffix(urlsplit(view.url).path)
    status, headers = ask(view, headers={"Origin": origin, "Sec-Fetch-Site": "same-origin"})
    assert status == 200
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in headers
    assert "Python" not in headers.get("Server", "")


def connect(view):
    parts = urlsplit(view.url)
    return socket.create_connection((parts.hostname, parts.port), timeout=10)


def num_threads():
    return sum("process_request" in t.name for t in threading.enumerate())


def is_refused(view):
    try:
        ask(view)
    except (OSError, http.client.HTTPException):
        return True
    return False


def wait_for(reached):
    """Whether something comes true within a time that a loaded machine may need."""
    deadline = time.monotonic() + 30
    while not reached() and time.monotonic() < deadline:
        time.sleep(0.01)
    return reached()


def test_clients_are_limited_and_the_page_is_back_when_they_go(view, monkeypatch):
    monkeypatch.setattr(live, "CLIENT_TIMEOUT_S", 300.0)  # longer than a slow machine takes here
    with contextlib.ExitStack() as clients:
        for _ in range(60):
            clients.enter_context(connect(view))
        assert wait_for(lambda: is_refused(view))
        assert num_threads() <= MAX_CLIENTS
    assert wait_for(lambda: num_threads() == 0)
    assert ask(view)[0] == 200


@pytest.mark.parametrize("trickle", [False, True])
def test_clients_that_ask_nothing_are_hung_up_on(view, monkeypatch, trickle):
    """Also those that send a byte now and then."""
    monkeypatch.setattr(live, "CLIENT_TIMEOUT_S", 0.3)
    with connect(view) as client:
        started = time.monotonic()
        client.sendall(b"GET / HTTP/1.1\r\n")
        client.settimeout(0.1)
        answer = None
        while answer is None and time.monotonic() - started < 30:
            try:
                if trickle:
                    client.sendall(b"x")
                answer = client.recv(1)
            except TimeoutError:
                pass
            except OSError:
                answer = b""
    assert answer == b""


def test_a_client_that_left_is_noticed_without_news(view, show, monkeypatch):
    monkeypatch.setattr(live, "REPEAT_S", 0.1)
    show(0.0)
    client = connect(view)
    client.sendall(f"GET {urlsplit(view.url).path}faces HTTP/1.1\r\nHost: "
                   f"{urlsplit(view.url).netloc}\r\n\r\n".encode())  # fmt: skip
    assert b"200" in client.recv(4096)
    assert num_threads() == 1
    client.close()
    assert wait_for(lambda: num_threads() == 0)


class Listener:
    """The events of the page, in turn."""

    def __init__(self, view):
        parts = urlsplit(view.url)
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
        self.connection.request("GET", parts.path + "faces")
        self.answer = self.connection.getresponse()

    def next(self):
        while True:
            line = self.answer.readline().decode()
            if line.startswith("data: "):
                return json.loads(line.removeprefix("data: "))

    def close(self):
        self.connection.close()
        self.answer.close()


def test_a_page_that_is_loaded_again_sees_the_last_news_at_once(view, show):
    show(1.5)
    for _ in range(2):
        listener = Listener(view)
        assert listener.next()["time_s"] == 1.5
        listener.close()
    view.tell("camera:0 stopped after 9 frames")
    listener = Listener(view)
    assert listener.next() == {"message": "camera:0 stopped after 9 frames"}
    show(2.0)
    assert listener.next()["time_s"] == 2.0
    listener.close()


class Clip:
    """A source of three frames, which may end as a lost camera does."""

    def __init__(self, live=False, error=None):
        self.live, self.error, self.fps, self.closed = live, error, 100.0, False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closed = True

    def __iter__(self):
        for i in range(3):
            yield Frame(i, i / 100, np.zeros((2, 2, 3), np.uint8))
        if self.error:
            raise InvalidInputError(self.error)


def test_a_clip_begins_again_and_time_goes_on():
    clips, told = [], []

    def open_clip():
        clips.append(Clip())
        return clips[-1]

    frames = list(itertools.islice(unending(open_clip, told.append), 10))
    assert [f.index for f in frames] == list(range(10))
    times = [f.time_s for f in frames]
    assert (np.diff(times) > 0.005).all()
    assert times[-1] < 1
    assert all(clip.closed for clip in clips[:3])
    assert told == []


def test_a_camera_that_was_pulled_out_is_waited_for(monkeypatch):
    monkeypatch.setattr(repeating, "RETRY_S", 0.05)
    attempts, told = [], []

    def open_camera():
        attempts.append(1)
        if len(attempts) in (2, 3):
            raise InvalidInputError("cannot open camera:0")
        return Clip(live=True, error="camera:0 stopped after 3 frames")

    frames = list(itertools.islice(unending(open_camera, told.append), 6))
    assert [f.index for f in frames] == list(range(6))
    assert frames[3].time_s - frames[2].time_s > 0.1  # the time that it was away
    assert told[:3] == ["camera:0 stopped after 3 frames"] + ["cannot open camera:0"] * 2


def test_what_was_never_there_is_an_error():
    def absent():
        raise InvalidInputError("no such video: x.mp4")

    with pytest.raises(InvalidInputError, match="no such video"):
        next(unending(absent, print))

    class Empty(Clip):
        def __iter__(self):
            raise InvalidInputError("x.mp4 has no frame that can be decoded")

    with pytest.raises(InvalidInputError, match="no frame"):
        next(unending(Empty, print))


def test_a_port_that_is_taken_is_named(view, network):
    port = urlsplit(view.url).port
    with pytest.raises(InvalidInputError, match=f"cannot serve at port {port}"):
        LiveView(network, "a clip", port)
    with pytest.raises(InvalidInputError, match="cannot serve at port 70000"):
        LiveView(network, "a clip", 70000)


@pytest.mark.parametrize("length", [b"\xb2", b"9" * 5000, b"-1", b"+2", b""])
def test_a_length_that_is_none_is_refused(view, length):
    request = f"POST {urlsplit(view.url).path}mirror HTTP/1.1\r\nHost: {urlsplit(view.url).netloc}"
    with connect(view) as client:
        client.sendall(request.encode() + b"\r\nContent-Length: " + length + b"\r\n\r\n{}")
        assert client.recv(12) == b"HTTP/1.0 413"


def test_a_client_that_sends_too_slowly_is_hung_up_on(view, monkeypatch):
    """Also once its headers are there."""
    monkeypatch.setattr(live, "CLIENT_TIMEOUT_S", 0.3)
    head = f"POST / HTTP/1.1\r\nHost: {urlsplit(view.url).netloc}\r\nContent-Length: 900\r\n\r\n"
    with connect(view) as client:
        client.sendall(head.encode())
        client.settimeout(0.1)
        started, ended = time.monotonic(), False
        while not ended and time.monotonic() - started < 30:
            try:
                client.sendall(b"x")
                client.recv(1)
                ended = True
            except TimeoutError:
                pass
            except OSError:
                ended = True
    assert ended


def test_a_page_that_is_loaded_again_shows_what_was_chosen(view):
    for action, values in (("mirror", {"on": True}), ("source", {"name": "camera:0"}),
                           ("take", {"on": True})):  # fmt: skip
        view.stage.ask(action, values)
    with urllib.request.urlopen(view.url) as answer:
        page = answer.read().decode()
    state = json.loads(page.partition('type="application/json">')[2].partition("</script>")[0])
    assert (state["mirror"], state["source"], state["recording"]) == (True, "camera:0", True)


def test_without_a_place_for_takes_the_page_works(network, monkeypatch):
    def absent(**_):
        raise FileNotFoundError("no usable temporary directory")

    monkeypatch.setattr(tempfile, "TemporaryDirectory", absent)
    with contextlib.closing(LiveView(network, "a clip", 0)) as view:
        assert ask(view)[0] == 200
        with pytest.raises(InvalidInputError, match="no place for a take: no usable"):
            view.stage.ask("take", {"on": True})


def test_a_take_that_there_is_not_is_an_error_and_no_file(view):
    status, headers = ask(view, urlsplit(view.url).path + "take.glb")
    assert (status, headers["Content-Type"]) == (409, "text/plain; charset=utf-8")
