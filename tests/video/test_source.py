"""Where video comes from: files, pipes, servers that behave and others, cameras."""

import contextlib
import http.server
import io
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgeface import InvalidInputError
from edgeface.video import open_video, reader, source
from edgeface.video.reader import Frame

av = pytest.importorskip("av")

NUM_FRAMES = 12


def read(name):
    """How many frames came, and the message of what ended them."""
    with open_video(name) as video:
        count = 0
        try:
            for _ in video:
                count += 1
        except InvalidInputError as error:
            return count, str(error)
    return count, ""


@pytest.mark.parametrize(
    "name", ["a:b.mp4", "http:clip.mp4", "100%d.mp4", "0", "-x.mp4", "camera.mp4", "ü 1.mp4"]
)
def test_any_file_name_is_a_file(make_video, ramp, tmp_path, monkeypatch, name):
    make_video("clip.mp4", ramp).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    for spelling in (name, Path(name), tmp_path / name):
        assert read(spelling) == (NUM_FRAMES, "")


@pytest.mark.parametrize("camera", ["camera:97", "97", 97, np.int64(97)])
def test_digits_are_a_camera(camera, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidInputError, match=r"cannot open (camera:)?97: .*video97"):
        open_video(camera)


@pytest.mark.parametrize("camera", ["camera:front", "camera:-1", -1])
def test_a_camera_without_a_number_is_named(camera):
    with pytest.raises(InvalidInputError, match="a camera has a number here"):
        open_video(camera)


@pytest.mark.parametrize("name", ["a\0b.mp4", "x" * 5000, "/dev/null", "/dev/zero"])
def test_what_is_no_file_is_named(name):
    with pytest.raises(InvalidInputError, match=r"cannot open|is no file"):
        open_video(name)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no named pipes")
def test_a_pipe_is_read_whole(make_video, ramp, tmp_path):
    path = make_video("clip.ts", ramp, sound=True)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(path.read_bytes()))
    writer.start()
    with open_video(pipe) as video:
        assert not video.live
        assert not video.has_sound  # it cannot be read twice
        assert len(list(video)) == NUM_FRAMES
    writer.join()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no named pipes")
def test_an_index_behind_the_pictures_of_a_pipe_is_named(make_video, random, tmp_path):
    noise = random.integers(0, 256, (NUM_FRAMES, 256, 256, 3), np.uint8)  # more than FFmpeg buffers
    path = make_video("clip.mp4", list(noise))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    def write():
        with contextlib.suppress(BrokenPipeError):
            pipe.write_bytes(path.read_bytes())

    writer = threading.Thread(target=write)
    writer.start()
    error = pytest.raises(InvalidInputError, match=r"index lies at its end.*name the file")
    with error, open_video(pipe) as video:
        list(video)
    writer.join()


def test_standard_input_is_read(make_video, ramp):
    path = make_video("clip.mkv", ramp)
    code = "from edgeface.video import open_video; print(len(list(open_video('-'))))"
    with path.open("rb") as file:
        done = subprocess.run(
            [sys.executable, "-c", code], stdin=file, capture_output=True, text=True, timeout=60
        )
    assert done.stdout.strip() == str(NUM_FRAMES), done.stderr


class Server:
    """A web server of one file, and the ways in which servers fail."""

    def __init__(self, path):
        self.data, self.stall, self.requests = path.read_bytes(), threading.Event(), 0
        self.ranges = self.sized = True
        self.send = self.stall_after = None
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                owner.requests += 1
                owner.answer(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"

    def answer(self, request):
        if request.path == "/moved":
            request.send_response(302)
            request.send_header("Location", "/clip")
            request.end_headers()
            return
        asked = request.headers.get("Range") if self.ranges else None
        first = int(asked.split("=")[1].split("-")[0]) if asked else 0
        request.send_response(206 if asked else 200)
        if self.sized:
            request.send_header("Content-Length", str(len(self.data) - first))
        if self.ranges:
            request.send_header("Accept-Ranges", "bytes")
        if asked:
            end = len(self.data)
            request.send_header("Content-Range", f"bytes {first}-{end - 1}/{end}")
        request.end_headers()
        part = self.data[first : self.send]
        try:
            request.wfile.write(part[: self.stall_after])
            if self.stall_after is not None:
                self.stall.wait(60)
            request.wfile.write(part[len(part[: self.stall_after]) :])
        except OSError:
            pass

    def close(self):
        self.stall.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def serve():
    servers = []

    def start(path):
        servers.append(Server(path))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def impatient(monkeypatch):
    for module in (source, reader):
        monkeypatch.setattr(module, "READ_TIMEOUT_S", 1.0)
        monkeypatch.setattr(module, "GRACE_S", 0.5)
    monkeypatch.setattr(source, "OPEN_TIMEOUT_S", 1.0)


@pytest.fixture
def long_clip(make_video):
    """Noise, so that it does not fit into the buffers on the way."""
    random = np.random.default_rng(0)
    images = random.integers(0, 255, (20, 120, 160, 3), np.uint8)

    def make(name, **options):
        return make_video(name, list(images), **options)

    return make


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.ts", "clip.avi"])
def test_a_whole_file_at_an_address_is_no_live_stream(make_video, ramp, serve, name):
    server = serve(make_video(name, ramp, sound=name.endswith("mp4")))
    for path in ("clip", "moved"):
        with open_video(server.url + path) as video:
            assert not video.live
            assert video.has_sound == name.endswith("mp4")
            assert len(list(video)) == NUM_FRAMES


@pytest.mark.parametrize("name", ["clip.mkv", "clip.ts"])
def test_a_server_without_ranges_serves_what_needs_none(make_video, ramp, serve, name):
    server = serve(make_video(name, ramp))
    server.ranges = False
    with open_video(server.url) as video:
        assert not video.live
        assert len(list(video)) == NUM_FRAMES


@pytest.mark.parametrize("scheme", ["http", "rtsp"])
def test_what_is_not_reached_is_said_without_secrets_and_wrong_advice(scheme):
    with pytest.raises(InvalidInputError) as error:
        open_video(f"{scheme}://admin:s3cret@127.0.0.1:1/door?token=s3cret")
    assert str(error.value) == (
        f"cannot open {scheme}://admin:***@127.0.0.1:1/door?***: Connection refused"
    )


def test_an_index_at_the_end_needs_ranges(long_clip, serve):
    server = serve(long_clip("clip.mp4"))
    server.ranges = server.sized = False
    count, message = read(server.url)
    assert count == 0
    assert "requests for parts" in message


def test_a_stream_without_length_is_live_and_its_end_a_loss(make_video, ramp, serve):
    server = serve(make_video("clip.ts", ramp))
    server.ranges = server.sized = False
    with open_video(server.url) as video:
        assert video.live
    count, message = read(server.url)
    assert count == NUM_FRAMES
    assert f"after {NUM_FRAMES} frames" in message


@pytest.mark.skipif(not os.path.exists("/dev/null"), reason="needs devices")
def test_a_link_to_a_camera_is_a_camera(tmp_path, monkeypatch):
    """The numbers of cameras change; the names in /dev/v4l/by-id stay."""
    link = tmp_path / "usb-Webcam"
    link.symlink_to("/dev/null")
    monkeypatch.setattr(source.os.path, "realpath", lambda _: "/dev/video2")
    assert source.address_of(str(link)).kind == "camera"


def test_pictures_of_a_camera_that_tells_no_times_have_those_at_which_they_come(
    tmp_path, ramp, serve
):
    """As of many network cameras: JPEGs one after another, which FFmpeg takes for 25 a second."""
    parts = [b""]
    for image in ramp * 3:
        content = io.BytesIO()
        Image.fromarray(image).save(content, "JPEG")
        head = f"--part\r\nContent-Type: image/jpeg\r\nContent-Length: {content.tell()}\r\n\r\n"
        parts.append(head.encode() + content.getvalue() + b"\r\n")
    path = tmp_path / "camera"
    path.write_bytes(b"".join(parts))
    server = serve(path)
    server.ranges = server.sized = False
    server.stall_after = sum(map(len, parts[:30]))
    times = []

    def go_on():
        """Once nothing has come for half a second."""
        count = -1
        while not times or len(times) > count:
            count = len(times)
            time.sleep(0.5)
        server.stall.set()

    threading.Thread(target=go_on, daemon=True).start()
    with open_video(server.url) as video, contextlib.suppress(InvalidInputError):
        for frame in video:
            times.append(frame.time_s)
    assert len(times) == len(ramp) * 3
    assert max(np.diff(times)) > 0.3
    assert video.fps is None


@pytest.mark.parametrize("ended", [False, True])
def test_a_playlist_is_live_until_it_has_an_end(make_video, ramp, serve, tmp_path, ended):
    """The bytes of a playlist are not those of what it lists."""
    part, playlist = serve(make_video("clip.ts", ramp)), tmp_path / "clip.m3u8"
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:1", "#EXTINF:1,", part.url + "clip.ts"]
    playlist.write_text("\n".join([*lines, "#EXT-X-ENDLIST"] if ended else lines))
    with open_video(serve(playlist).url + playlist.name) as video:
        assert video.live is not ended


@pytest.mark.parametrize("name", ["clip.ts", "clip.mkv"])
def test_a_file_that_a_server_cuts_short_is_named(long_clip, serve, name):
    server = serve(long_clip(name))
    server.ranges = False
    server.send = len(server.data) // 2
    count, message = read(server.url)
    assert 0 < count < 20
    assert f"after {count} frame" in message


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("live", [False, True])
def test_a_server_that_falls_silent_is_named(long_clip, serve, live):
    server = serve(long_clip("clip.ts" if live else "clip.mkv"))
    server.ranges, server.sized = False, not live
    server.stall_after = len(server.data) * 3 // 4
    started = time.monotonic()
    count, message = read(server.url)
    assert time.monotonic() - started < 10
    assert 0 < count < 20
    assert "fell silent" in message
    assert f"after {count} frame" in message


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("scheme", ["rtsp", "http", "rtmp", "tcp"])
def test_a_server_that_says_nothing_is_named(scheme):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(5)
        address = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/cam"
        started = time.monotonic()
        with pytest.raises(InvalidInputError, match="said nothing for"):
            open_video(address)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:{}/x", "rtsp://127.0.0.1:{}/x", "nonsense://x"]
)
def test_nobody_at_an_address_is_named(address):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(InvalidInputError, match="cannot open"):
        open_video(address.format(port))


@pytest.mark.usefixtures("impatient")
def test_a_camera_whose_driver_hangs_is_named():
    hang = threading.Event()

    def frames():
        yield Frame(0, 0.0, np.zeros((2, 2, 3), np.uint8))
        hang.wait(20)

    watched = reader.watched(frames(), "camera:0")
    assert next(watched).index == 0
    with pytest.raises(InvalidInputError, match="camera:0 fell silent after 1 frame,"):
        next(watched)
    hang.set()


def test_a_reader_may_be_closed_while_another_thread_reads(make_video, ramp, serve):
    server = serve(make_video("clip.ts", ramp * 20))
    server.ranges = server.sized = False
    server.stall_after = len(server.data) // 2
    video = open_video(server.url)
    count = []
    thread = threading.Thread(target=lambda: count.extend(video))
    thread.start()
    deadline = time.monotonic() + 10
    while not count and time.monotonic() < deadline:
        time.sleep(0.01)
    video.close()
    server.stall.set()
    thread.join(15)
    assert not thread.is_alive()
    assert count


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such signals")
def test_ctrl_c_ends_the_wait_for_a_silent_camera():
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from edgeface.video import open_video\n"
        "print('waiting', flush=True)\n"
        "open_video(sys.argv[1])"
    )
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(5)
        address = f"rtsp://127.0.0.1:{silent.getsockname()[1]}/cam"
        process = subprocess.Popen(
            [sys.executable, "-c", code, address], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdout is not None
        process.stdout.readline()
        with silent.accept()[0]:
            process.send_signal(2)
            _, errors = process.communicate(timeout=5)
    assert b"KeyboardInterrupt" in errors
