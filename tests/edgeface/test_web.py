"""Pictures from the web: from a server of the test, within limits, and no detours."""

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

import edgeface
from edgeface import InvalidInputError, read_image, web


class Server(ThreadingHTTPServer):
    """Answers by what the first part of the path says; it counts what it is asked."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answers)
        self.asked, self.stopped = [], threading.Event()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"


class Answers(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.asked.append(self.path)
        what, _, rest = self.path[1:].partition("/")
        known = self.headers["Authorization"] == "Basic bsOkbWU6czNjcmV0"  # näme:s3cret
        if what == "photo" or (what == "private" and known):
            self.answer(200, edgeface.DEMO_PHOTO.read_bytes())
        elif what == "endless":
            self.send_response(200)
            self.end_headers()
            try:
                while True:
                    self.wfile.write(rest.encode("latin-1").ljust(4096, b"\0"))
            except OSError:
                pass
        elif what == "to":
            self.send_response(302)
            self.send_header("Location", rest)
            self.end_headers()
        elif what == "hop":
            self.send_response(301)
            self.send_header("Location", f"/hop/{int(rest) - 1}" if rest != "0" else "/photo")
            self.end_headers()
        elif what == "cut":
            self.send_response(200)
            self.send_header("Content-Length", "900000")
            self.end_headers()
            self.wfile.write(edgeface.DEMO_PHOTO.read_bytes()[:5000])
        elif what == "drip":
            self.wfile.write(b"HTTP/1.0 200 OK\r\n")
            try:
                while not self.server.stopped.wait(0.02):
                    self.wfile.write(b"X-More: to come\r\n")
            except OSError:
                pass
        elif what == "rude":
            self.wfile.write(b"HTTP/1.0 500 \x1b[2J\x0bgone\r\n\r\n")
        else:
            self.answer(401 if what == "private" else 404, b"nothing here")

    def answer(self, status, content):
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture(scope="module")
def server():
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.02,))
        thread.start()
        yield running
        running.stopped.set()
        running.shutdown()
        thread.join()


@pytest.mark.parametrize("path", ["/photo", "/to//photo", "/hop/4", "/photo/\xe9 \u5199.jpg"])
def test_a_picture_is_fetched_as_the_file_is_read(server, path):
    np.testing.assert_array_equal(
        read_image(server.address + path), read_image(edgeface.DEMO_PHOTO)
    )


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/absent", "the server says 404"),
        ("/hop/9", "the server says 301"),
        ("/to/file:///etc/hostname", "'file:///etc/hostname' is not allowed"),
        ("/to/ftp://127.0.0.1/a.jpg", r"redirected to ftp://127\.0\.0\.1/a\.jpg, which is no web"),
        ("/endless/text", "its content is none of JPEG"),
        ("/endless/\xff\xd8\xff", r"larger than 0 MiB"),
        ("/cut", "no readable image|could not be fetched"),
        ("/rude", r"the server says 500 \\x1b\[2J\\x0bgone$"),
        ("/hop/-1", r"the server says 301 after too many redirects: [^\n]*$"),
    ],
)
def test_what_cannot_be_fetched_says_why(server, monkeypatch, path, message):
    monkeypatch.setattr(web, "MAX_BYTES", 1 << 19)
    address = server.address + "".join(f"%{ord(c):02x}" if ord(c) > 127 else c for c in path)
    if "\xff" in path:
        monkeypatch.setattr(web, "format_of", lambda _: "JPEG")
    with pytest.raises(InvalidInputError, match=message):
        read_image(address)


def test_a_slow_server_is_given_up(server, monkeypatch):
    monkeypatch.setattr(web, "MAX_SECONDS", 0.1)
    monkeypatch.setattr(web, "format_of", lambda _: "JPEG")
    with pytest.raises(InvalidInputError, match=r"took longer than 0\.1 s"):
        read_image(f"{server.address}/endless/a")


def test_headers_that_trickle_are_not_awaited(server, monkeypatch):
    monkeypatch.setattr(web, "MAX_SECONDS", 0.3)
    with pytest.raises(InvalidInputError, match=r"took longer than 0\.3 s"):
        read_image(f"{server.address}/drip")


def test_a_password_is_used_and_neither_told_nor_passed_on(server):
    address = server.address.replace("//", "//n%C3%A4me:s3cret@")
    assert read_image(f"{address}/private").shape == (800, 1280, 3)
    queries = "/absent?key=s3cret", "/absent?key=a s3cret", "/absent#s3cret"
    for path in ("/absent", f"/to/{address}/absent", "/to//private", *queries):
        with pytest.raises(InvalidInputError, match=r"^http://n%C3%A4me:\*\*\*@") as error:
            read_image(address + path)
        assert "s3cret" not in str(error.value)


def test_a_silent_server_is_given_up(monkeypatch):
    monkeypatch.setattr(web, "SILENCE_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(InvalidInputError, match=r"could not be fetched: (the read|timed out)"):
            read_image(f"http://127.0.0.1:{port}/photo")


def test_a_public_server_sends_nobody_into_a_private_network(server, monkeypatch):
    monkeypatch.setattr(web, "is_private", lambda address: "//localhost" in address[:20])
    inside = f"http://localhost:{server.server_port}/photo/inside"
    with pytest.raises(InvalidInputError, match="inside a private network"):
        read_image(f"{server.address}/to/{inside}")
    assert "/photo/inside" not in server.asked


@pytest.mark.parametrize(
    ("number", "private"),
    [("127.0.0.1", True), ("10.1.2.3", True), ("192.168.1.1", True), ("169.254.169.254", True),
     ("0.0.0.0", True), ("::1", True), ("fe80::1%eth0", True), ("fc00::1", True),
     ("93.184.216.34", False), ("2606:2800:220:1::1", False)],
)  # fmt: skip
def test_numbers_of_private_networks(monkeypatch, number, private):
    answer = [(0, 0, 0, "", ("93.184.216.34", 0)), (0, 0, 0, "", (number, 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer)
    assert web.is_private("https://photos.example/a.jpg") == private


@pytest.mark.parametrize(
    "address",
    ["http://", "http://[", "https://:99999/", "HTTP://\0", "http://user name@127.0.0.1:1/",
     "http://127.0.0.1:1/"],
)  # fmt: skip
def test_addresses_that_are_none(address):
    with pytest.raises(InvalidInputError, match="could not be fetched"):
        read_image(address)
