"""The VMC stream, read back by python-osc's server."""

import socket

import numpy as np
import pytest

from edgeface import InvalidInputError
from edgeface.retarget import (
    ARKIT_NAMES,
    STREAMS,
    Avatar,
    ExportOptions,
    Mapping,
    Retargeter,
    VmcSender,
)
from edgeface.rotations import rotation_from_quaternion


@pytest.fixture
def osc_server():
    """A real OSC server on loopback, and the bundles it got."""
    dispatcher_module = pytest.importorskip("pythonosc.dispatcher")
    server_module = pytest.importorskip("pythonosc.osc_server")
    got = []
    dispatcher = dispatcher_module.Dispatcher()
    dispatcher.set_default_handler(lambda address, *values: got.append((address, values)))
    server = server_module.BlockingOSCUDPServer(("127.0.0.1", 0), dispatcher)
    server.timeout = 5
    yield server, got
    server.server_close()


def receive_frame(server, got):
    """All messages of one frame."""
    del got[:]
    while not got or got[-1][0] != "/VMC/Ext/Blend/Apply":
        server.handle_request()
    return list(got)


def test_vmc_sends_a_frame_in_bundles_that_each_hold_the_head(osc_server):
    server, got = osc_server
    sender = VmcSender("127.0.0.1", server.server_address[1])
    turn = np.array([np.cos(0.2), 0.0, np.sin(0.2), 0.0])
    for time_s in (0.5, 0.6):
        sender.send(time_s, dict.fromkeys(ARKIT_NAMES, 0.0) | {"jawOpen": 0.75}, turn)
        frame = receive_frame(server, got)
        addresses = [a for a, _ in frame]
        assert addresses[:3] == ["/VMC/Ext/OK", "/VMC/Ext/T", "/VMC/Ext/Bone/Pos"]
        # the head and both eyes in each packet
        assert addresses.count("/VMC/Ext/OK") == 3
        assert addresses.count("/VMC/Ext/Bone/Pos") == 9
        assert addresses.count("/VMC/Ext/Blend/Apply") == 1
        assert [v for a, v in frame if a == "/VMC/Ext/T"] == [(pytest.approx(time_s),)] * 3
        values = dict(v for a, v in frame if a == "/VMC/Ext/Blend/Val")
        assert values["JawOpen"] == 0.75
        assert len(values) == 52
        name, *numbers = frame[2][1]
        assert name == "Head"
        # Unity's left-handed frame: a turn to the own left is about -y
        np.testing.assert_allclose(numbers, [0, 0, 0, 0, -np.sin(0.2), 0, np.cos(0.2)], atol=1e-6)
    sender.close()


def test_vmc_tells_frames_of_the_systems_clock_apart(osc_server):
    server, got = osc_server
    sender, told = VmcSender("127.0.0.1", server.server_address[1]), []
    for frame in range(4):
        sender.send(1.7e9 + frame / 30, {"jawOpen": 0.5}, np.array([1.0, 0, 0, 0]))
        told += [values[0] for a, values in receive_frame(server, got) if a == "/VMC/Ext/T"]
    sender.close()
    assert told == pytest.approx([0, 1 / 30, 2 / 30, 3 / 30], abs=1e-5)


@pytest.mark.parametrize("length", [1, 40, 300, 2000])
def test_vmc_packets_fit_the_network(length):
    """Whatever a character's shapes are called; one that is longer than a packet goes alone."""
    targets = {f"{i:02d}" + "x" * length: {"jawOpen": 1.0} for i in range(30)}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(1)
        sender = VmcSender("127.0.0.1", receiver.getsockname()[1], Retargeter(Mapping(targets)))
        sender.send(0.0, {"jawOpen": 0.5}, np.array([1.0, 0, 0, 0]))
        sender.close()
        packets = []
        while not packets or b"/Blend/Apply" not in packets[-1]:
            packets.append(receiver.recv(65535))
    assert sum(p.count(b"/Blend/Val") for p in packets) == 30
    assert max(map(len, packets)) <= (1200 if length < 1000 else 2300)


def test_vmc_says_nothing_of_what_is_not_seen(osc_server):
    server, got = osc_server
    sender = VmcSender("127.0.0.1", server.server_address[1])
    sender.send(0.0, {"jawOpen": 0.75, "tongueOut": np.nan}, np.array([1.0, 0, 0, 0]))
    frame = receive_frame(server, got)
    assert [v for a, v in frame if a == "/VMC/Ext/Blend/Val"] == [("JawOpen", 0.75)]
    sender.close()


def test_vmc_puts_to_rest_what_is_not_seen_any_more(osc_server):
    server, got = osc_server
    sender = VmcSender("127.0.0.1", server.server_address[1])
    for shapes in (dict.fromkeys(ARKIT_NAMES, 0.5), {"mouthLeft": 0.5}):
        sender.send(0.0, shapes, np.eye(4)[0])
        frame = receive_frame(server, got)
    sender.close()
    values = dict(v for a, v in frame if a == "/VMC/Ext/Blend/Val")
    assert (values["JawOpen"], values["MouthLeft"]) == (0.0, 0.5)
    bones = {name: turn for a, (name, *turn) in ((a, v) for a, v in frame if "Bone" in a)}
    assert bones["LeftEye"] == bones["RightEye"] == [0, 0, 0, 0, 0, 0, 1]


def test_vmc_calls_the_head_as_unity_does(osc_server):
    """Whatever a mapping calls the node in the file: other names move nothing."""
    server, got = osc_server
    mapping = Mapping(head_bone="J_Bip_C_Head", shares={"head": 0.6, "neck": 0.4})
    sender = VmcSender("127.0.0.1", server.server_address[1], Retargeter(mapping))
    sender.send(0.0, {"jawOpen": 0.75}, np.array([1.0, 0, 0, 0]))
    frame = receive_frame(server, got)
    assert [v[0] for a, v in frame if a == "/VMC/Ext/Bone/Pos"] == ["Head", "Neck"]
    sender.close()


def test_vmc_survives_a_network_that_refuses(monkeypatch):
    sender = VmcSender("127.0.0.1", 39539)

    def refuse(*_):
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr("socket.socket.sendto", refuse)
    sender.send(0.0, {}, np.array([1.0, 0, 0, 0]))
    sender.close()


def test_vmc_unity_frame_is_the_mirror_image(random):
    """Turning, then mirroring x, equals mirroring, then turning by what is sent."""
    mirror = np.diag([-1.0, 1.0, 1.0])
    q = random.normal(size=4)
    q /= np.linalg.norm(q)
    sent = q * [1, 1, -1, -1]
    np.testing.assert_allclose(
        mirror @ rotation_from_quaternion(q) @ mirror, rotation_from_quaternion(sent), atol=1e-12
    )


@pytest.mark.parametrize("bad", [
    "39539", "host:", ":1", "h:99999", "h:x", "h:²",
    "::1:39539", "::1", "[::1]", "[::1:39539", "[]:1",
])  # fmt: skip
def test_vmc_addresses_are_checked(bad):
    with pytest.raises(InvalidInputError, match="HOST:PORT"):
        Avatar(STREAMS["vmc"], bad, ExportOptions())


def test_a_host_that_is_not_there_is_named():
    with pytest.raises(InvalidInputError, match="cannot send"):
        VmcSender("no.such.host.invalid", 1)


def test_nobody_listening_is_no_error():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    sender = VmcSender("127.0.0.1", port)
    for _ in range(3):
        sender.send(0.0, {}, np.array([1.0, 0, 0, 0]))
    sender.close()
