"""Each protocol against a receiver that was written from its description, on loopback."""

import base64
import contextlib
import json
import math
import os
import re
import socket
import struct
import time

import numpy as np
import pytest

from edgeface import InvalidInputError
from edgeface.blendshapes import ARKIT_NAMES
from edgeface.gaze import LOOKS, eye_looks
from edgeface.retarget import (
    IFacialMocapSender,
    LiveLinkSender,
    Mapping,
    Retargeter,
    VmcSender,
    VRChatSender,
    WebSocketSender,
    derive,
    origins,
)
from edgeface.retarget import websocket as websocket_module
from edgeface.retarget.avatar import Avatar
from edgeface.retarget.formats import ARKIT_ONLY, STREAMS, check_export, suited
from edgeface.retarget.options import ExportOptions
from edgeface.video.outputs import Outputs

SEEN = {"jawOpen": 0.25, "mouthSmileLeft": 0.5, "mouthLeft": 0.75, "tongueOut": np.nan}
TURN = np.array([np.cos(0.2), 0.0, np.sin(0.2), 0.0])  # 0.4 rad to the own left
NO_TURN = np.array([1.0, 0, 0, 0])


@pytest.fixture
def receiver():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        made.settimeout(5)
        yield made


def port_of(receiver):
    return receiver.getsockname()[1]


def live_link(packet):
    """Subject, time in seconds and values of a packet, byte by byte."""
    version, length = struct.unpack_from(">Bi", packet)
    assert version == 6
    at = 5 + length
    (length,) = struct.unpack_from(">i", packet, at)
    subject = packet[at + 4 : at + 4 + length].decode()
    at += 4 + length
    frame, part, rate, per, count = struct.unpack_from(">ifiiB", packet, at)
    values = struct.unpack_from(f">{count}f", packet, at + 17)
    assert at + 17 + 4 * count == len(packet)
    return subject, (frame + part) * per / rate, values


def test_live_link_is_what_unreal_reads(receiver):
    sender = LiveLinkSender("127.0.0.1", port_of(receiver), name="edgeface-2")
    sender.send(1.51, SEEN, TURN)
    subject, time_s, values = live_link(receiver.recv(2000))
    sender.close()
    assert subject == "edgeface-2"
    assert time_s == pytest.approx(1.51)
    assert len(values) == 61
    by_name = dict(zip(ARKIT_NAMES, values, strict=False))
    assert {n: v for n, v in by_name.items() if v} == {
        n: SEEN[n] for n in ("jawOpen", "mouthSmileLeft", "mouthLeft")
    }
    np.testing.assert_allclose(values[52:], [0.4, 0, 0, 0, 0, 0, 0, 0, 0], atol=1e-6)


# 8 and 10 degrees down, and 19 to the own left
GAZE = np.array([[8.0, 19.0], [10.0, 19.0]])
LOOKING = SEEN | dict(zip(LOOKS, eye_looks(GAZE[None])[0].tolist(), strict=True))


def test_eyes_turn_in_every_protocol(receiver):
    """The same gaze as each protocol has it: order, unit and signs."""
    port = port_of(receiver)
    live = LiveLinkSender("127.0.0.1", port)
    live.send(0.0, LOOKING, TURN)
    values = live_link(receiver.recv(2000))[2]
    np.testing.assert_allclose(np.rad2deg(values[55:]), [19, 10, 0, 19, 8, 0], atol=1e-3)
    text = IFacialMocapSender("127.0.0.1", port)
    text.send(0.0, LOOKING, TURN)
    assert receiver.recv(4000).decode().endswith("|rightEye#8.00,19.00,0|leftEye#10.00,19.00,0|")
    mirrored = IFacialMocapSender("127.0.0.1", port, Retargeter(Mapping(mirror=True)))
    mirrored.send(0.0, LOOKING, TURN)
    assert receiver.recv(4000).decode().endswith("|rightEye#10.00,-19.00,0|leftEye#8.00,-19.00,0|")
    for sender in (live, text, mirrored):
        sender.close()


def test_vrchat_turns_eyes_without_parameters(receiver):
    osc = pytest.importorskip("pythonosc.osc_message")
    sender = VRChatSender("127.0.0.1", port_of(receiver))
    sender.send(0.0, {n: LOOKING[n] for n in LOOKS}, NO_TURN)
    found = {}
    for _ in range(5):
        message = osc.OscMessage(receiver.recv(2000))
        found[message.address] = message.params
    sender.close()
    np.testing.assert_allclose(
        found["/tracking/eye/LeftRightPitchYaw"], [10, -19, 8, -19], atol=1e-4
    )
    assert found["/avatar/parameters/v2/EyeLeftX"] == [pytest.approx(-0.5)]


def test_ifacialmocap_is_a_line_of_text(receiver):
    sender = IFacialMocapSender("127.0.0.1", port_of(receiver))
    sender.send(0.0, SEEN, TURN)
    text = receiver.recv(4000).decode()
    sender.close()
    shapes, _, pose = text.partition("=")
    assert dict(re.findall(r"(\w+)-(\d+)\|", shapes)) == {
        "jawOpen": "25", "mouthSmile_L": "50", "mouthLeft": "75"
    }  # fmt: skip
    head, right, left = pose.rstrip("|").split("|")
    np.testing.assert_allclose(
        [float(v) for v in head.removeprefix("head#").split(",")],
        [0, np.rad2deg(0.4), 0, 0, 0, 0], atol=1e-3,
    )  # fmt: skip
    assert (right, left) == ("rightEye#0.00,0.00,0", "leftEye#0.00,0.00,0")  # nobody told


def test_vrchat_gets_its_parameters(receiver):
    osc = pytest.importorskip("pythonosc.osc_message")
    sender = VRChatSender("127.0.0.1", port_of(receiver))
    sender.send(0.0, SEEN | {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 0.0, "eyeWideRight": 1.0},
                TURN)  # fmt: skip
    got = {}
    while "/tracking/eye/EyesClosedAmount" not in got:
        message = osc.OscMessage(receiver.recv(2000))
        (got[message.address],) = message.params
    sender.close()
    short = {a.rpartition("/")[2]: v for a, v in got.items()}
    assert all(a.startswith("/avatar/parameters/v2/") or "tracking" in a for a in got)
    assert short["JawOpen"] == pytest.approx(0.25)
    assert short["SmileFrownLeft"] == pytest.approx(0.5)
    assert short["MouthX"] == pytest.approx(-0.75)
    assert (short["EyeLidLeft"], short["EyeLidRight"]) == (0.0, 1.0)
    assert short["EyesClosedAmount"] == 0.5
    assert not {"TongueOut", "CheekPuffLeft", "EyeLeftX"} & set(short)


def test_what_is_not_seen_any_more_is_at_rest(receiver):
    """Receivers keep the last value of what does not come."""
    osc = pytest.importorskip("pythonosc.osc_message")
    text = IFacialMocapSender("127.0.0.1", port_of(receiver))
    texts = []
    for shapes in ({"mouthLeft": 0.5}, LOOKING | {"jawOpen": 0.5}, {"mouthLeft": 0.5}):
        text.send(0.0, shapes, TURN)
        texts.append(receiver.recv(4000).decode())
    text.close()
    assert "jawOpen" not in texts[0]
    assert "jawOpen-50|" in texts[1]
    assert "jawOpen-0|" in texts[2]
    vrchat = VRChatSender("127.0.0.1", port_of(receiver))
    for shapes in ({n: LOOKING[n] for n in LOOKS} | {"jawOpen": 0.5}, {"mouthLeft": 0.5}):
        vrchat.send(0.0, shapes, TURN)
    packets = [osc.OscMessage(receiver.recv(2000)) for _ in range(6 + 7)]
    vrchat.close()
    last = {message.address.rpartition("/")[2]: message.params for message in packets[6:]}
    assert last["JawOpen"] == [0.0]
    assert last["LeftRightPitchYaw"] == [0.0] * 4
    assert last["MouthX"] == [-0.5]


def listen(port, machine="127.0.0.1", **headers):
    """A WebSocket client by RFC 6455: the socket after the handshake, and the answer's status."""
    client = socket.create_connection((machine, port), timeout=5)
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [
        "GET / HTTP/1.1", f"Host: 127.0.0.1:{port}", "Upgrade: websocket", "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13",
        *(f"{name}: {value}" for name, value in headers.items()), "", "",
    ]  # fmt: skip
    client.sendall("\r\n".join(lines).encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += client.recv(1)
    return client, int(answer.split()[1])


def read_message(client):
    """One unmasked text frame of a server."""
    head = client.recv(2, socket.MSG_WAITALL)
    assert head[0] == 0x81
    length = head[1]
    if length == 126:
        (length,) = struct.unpack(">H", client.recv(2, socket.MSG_WAITALL))
    return json.loads(client.recv(length, socket.MSG_WAITALL))


@pytest.fixture
def websocket():
    pytest.importorskip("websockets")
    made = WebSocketSender("127.0.0.1", 0)
    yield made
    made.close()


def test_a_websocket_gives_json_to_all_who_listen(websocket):
    clients = [listen(websocket.port)[0] for _ in range(2)]
    for time_s in (0.5, 0.6):
        websocket.send(time_s, SEEN, TURN)
        for client in clients:
            message = read_message(client)
            assert message["time_s"] == time_s
            assert set(message["blendshapes"]) == set(ARKIT_NAMES)
            assert message["blendshapes"]["jawOpen"] == 0.25
            assert message["blendshapes"]["tongueOut"] is None
            np.testing.assert_allclose(message["quaternion_wxyz"], TURN, atol=1e-5)
            np.testing.assert_allclose(message["euler_deg"], [0, np.rad2deg(0.4), 0], atol=1e-3)
    for client in clients:
        client.close()


def test_a_websocket_tells_what_of_a_character_is_not_seen(websocket):
    websocket.retargeter = Retargeter(Mapping(targets={"A": {"jawOpen": 1}, "U": {"tongueOut": 1}}))
    websocket.send(0.5, SEEN, TURN)
    client, _ = listen(websocket.port)
    assert read_message(client)["blendshapes"] == {"A": 0.25, "U": None}
    client.close()


def test_a_websocket_is_for_pages_of_this_machine(websocket):
    statuses = {}
    for origin in ("http://localhost:3000", "http://evil.example", "null",
                   "http://localhost.evil.example"):  # fmt: skip
        client, statuses[origin] = listen(websocket.port, Origin=origin)
        client.close()
    assert list(statuses.values()) == [101, 403, 403, 403]


def test_a_listener_that_is_gone_ends_nothing(websocket):
    client, _ = listen(websocket.port)
    client.close()
    for _ in range(3):
        websocket.send(0.0, SEEN, TURN)


@pytest.mark.parametrize("frames", [0, 30])
def test_a_listener_that_reads_nothing_holds_up_no_end(monkeypatch, frames):
    """Like a page that its browser has paused; what is sent to it waits once buffers are full."""
    pytest.importorskip("websockets")
    monkeypatch.setattr(websocket_module, "HANDSHAKE_S", 0.3)
    long = {f"{i:04d}" + 1000 * "n": {"jawOpen": 1.0} for i in range(500)}
    server = WebSocketSender("127.0.0.1", 0, Retargeter(Mapping(long)))
    client, _ = listen(server.port)
    with client:
        for k in range(frames):
            server.send(k / 30, SEEN, TURN)
            time.sleep(0.01)
        begun = time.monotonic()
        server.close()
        assert time.monotonic() - begun < 3


def test_protocols_of_fixed_names_refuse_others():
    retargeter = Retargeter(Mapping({"A": {"jawOpen": 1.0}}))
    for sender in (LiveLinkSender, IFacialMocapSender, VRChatSender):
        with pytest.raises(InvalidInputError, match="ARKit's names only"):
            sender("127.0.0.1", 9, retargeter)
    with pytest.raises(InvalidInputError, match="cannot listen"):
        WebSocketSender("192.0.2.1", 1)


@pytest.mark.parametrize("protocol", [name for name in STREAMS if name != "websocket"])
def test_hosts_that_are_not_there_are_named(protocol):
    with pytest.raises(InvalidInputError, match="cannot send"):
        STREAMS[protocol]("no.such.host.invalid", 1, Retargeter(), "edgeface")


def test_derived_shapes_need_both_they_are_made_of():
    made = derive({"mouthSmileLeft": 0.8, "eyeSquintLeft": 0.2, "browDownLeft": 0.9,
                   "cheekSquintRight": np.nan})  # fmt: skip
    assert made["cheekSquintLeft"] == pytest.approx(0.4)
    assert "noseSneerLeft" not in made
    assert np.isnan(made["cheekSquintRight"])
    assert derive({"mouthSmileLeft": 1.0, "eyeSquintLeft": 0.0})["cheekSquintLeft"] == 0
    seen = derive({"mouthSmileLeft": 1.0, "eyeSquintLeft": 1.0, "cheekSquintLeft": 0.3})
    assert seen["cheekSquintLeft"] == 0.3


def test_where_shapes_come_from_is_said():
    seen = [n for n in ARKIT_NAMES if not n.startswith(("noseSneer", "cheek", "tongue"))]
    plain, made = origins(seen, derived=False), origins(seen, derived=True)
    assert plain["noseSneerLeft"] == plain["tongueOut"] == made["tongueOut"] == "absent"
    assert made["noseSneerLeft"] == made["cheekSquintRight"] == "derived"
    assert plain["jawOpen"] == made["jawOpen"] == "estimated"
    shapes, _ = Retargeter(derived=True)({"mouthSmileLeft": 0.9, "eyeSquintLeft": 0.4}, NO_TURN)
    assert shapes["cheekSquintLeft"] == pytest.approx(0.6)


@pytest.fixture
def ipv6_receiver():
    try:
        made = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        made.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6")
    with made:
        made.settimeout(5)
        yield made


@pytest.mark.parametrize("protocol", [name for name in STREAMS if name != "websocket"])
def test_an_address_of_ipv6_is_reached(protocol, ipv6_receiver):
    avatar = Avatar(STREAMS[protocol], f"[::1]:{port_of(ipv6_receiver)}", ExportOptions())
    with contextlib.closing(avatar):
        avatar._stream.send(0.5, SEEN, TURN)
        assert ipv6_receiver.recv(2000)


@pytest.mark.usefixtures("ipv6_receiver")
def test_a_websocket_listens_at_an_address_of_ipv6():
    pytest.importorskip("websockets")
    with contextlib.closing(WebSocketSender("::1", 0)) as server:
        server.send(0.5, SEEN, TURN)
        client, status = listen(server.port, machine="::1")
        with client:
            assert status == 101
            assert read_message(client)["time_s"] == 0.5
        with pytest.raises(InvalidInputError, match=rf"cannot listen at \[::1\]:{server.port}: "):
            WebSocketSender("::1", server.port)


@pytest.mark.parametrize("protocol", STREAMS)
@pytest.mark.parametrize(
    ("host", "port"),
    [("a" * 70, 9), ("x..y", 9), ("\ud800", 9), (None, 9), (5, 9), ("127.0.0.1", 99999),
     ("127.0.0.1", -1), ("127.0.0.1", "x")],
)  # fmt: skip
def test_addresses_that_are_none_are_errors(protocol, host, port):
    with pytest.raises(InvalidInputError):
        STREAMS[protocol](host, port, Retargeter(), "edgeface")


@pytest.mark.parametrize("protocol", ["vmc", "livelink", "websocket"])
@pytest.mark.parametrize("time_s", [math.nan, math.inf, 1e300, "x"])
def test_times_that_are_none_are_errors(protocol, time_s):
    port = 0 if protocol == "websocket" else 9
    sender = STREAMS[protocol]("127.0.0.1", port, Retargeter(), "edgeface")
    with contextlib.closing(sender), pytest.raises(InvalidInputError, match="time_s"):
        sender.send(time_s, {"jawOpen": 0.5}, np.array([1.0, 0, 0, 0]))


@pytest.mark.parametrize("shapes", [None, {"jawOpen": "x"}, {"jawOpen": None}])
def test_shapes_that_are_none_are_errors(shapes):
    with pytest.raises(InvalidInputError, match="blendshapes"):
        Retargeter()(shapes, np.array([1.0, 0, 0, 0]))
    with pytest.raises(InvalidInputError, match="blendshapes"):
        Retargeter().watch(0.0, shapes)


@pytest.mark.parametrize("quaternion", [None, [0, 0, 0, 0], [math.nan] * 4, [1, 0, 0]])
def test_rotations_that_are_none_are_errors(quaternion):
    with pytest.raises(InvalidInputError, match="quaternion_wxyz"):
        Retargeter()({"jawOpen": 0.5}, quaternion)


@pytest.mark.parametrize("name", ["", "\ud800", "a\nb", "x" * 500, 5, None])
@pytest.mark.parametrize("protocol", ["livelink", "websocket"])
def test_names_of_performers_that_are_none_are_errors(protocol, name):
    with pytest.raises(InvalidInputError, match="name must be text"):
        STREAMS[protocol]("127.0.0.1", 39999, Retargeter(), name)


def test_of_two_addresses_of_a_host_that_of_ipv4_is_taken(monkeypatch, receiver):
    port, datagrams = port_of(receiver), (socket.SOCK_DGRAM, 17, "")
    found = [
        (socket.AF_INET6, *datagrams, ("::1", port, 0, 0)),
        (socket.AF_INET, *datagrams, ("127.0.0.1", port)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with contextlib.closing(IFacialMocapSender("localhost", port_of(receiver))) as sender:
        sender.send(0.0, SEEN, NO_TURN)
    assert receiver.recv(65535).startswith(b"jawOpen-25|")


def test_a_broadcast_address_may_be_sent_to():
    with contextlib.closing(IFacialMocapSender("127.255.255.255", 39998)) as sender:
        assert sender._socket._socket.getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST)


@pytest.mark.parametrize("sender", [LiveLinkSender, VmcSender, IFacialMocapSender, VRChatSender])
def test_times_of_the_systems_clock_are_sent(sender):
    stream = sender("127.0.0.1", 9)
    try:
        stream.send(time.time(), {"jawOpen": 0.5}, np.array([1.0, 0, 0, 0]))
    finally:
        stream.close()


@pytest.mark.parametrize("targets", [["Joy", "Blink_L", "Blink_R"], ["jawOpen"]])
def test_what_has_arkits_names_only_leaves_a_character_aside(make_character, targets):
    options = ExportOptions(character=make_character(targets))
    for name in ARKIT_ONLY:
        assert suited(name, options).retargeter().target_names == ARKIT_NAMES
    assert suited("vmc", options) is options
    check_export("livelink", options)
    outputs = Outputs(None, None)
    outputs.stream_to("ifacialmocap", ["127.0.0.1:9"], options)
    outputs.close()
