"""What the protocols that go over UDP have in common."""

from __future__ import annotations

import contextlib
import importlib
import socket
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from edgeface.errors import BackendUnavailableError, InvalidInputError
from edgeface.kernels import euler_from_rotation
from edgeface.retarget.retargeter import Retargeter, given_retargeter
from edgeface.rotations import rotation_from_quaternion
from edgeface.types import FloatArray
from edgeface.values import Text, Whole, option

SUBJECT = Text()
"""The names by which receivers tell performers apart."""


class Datagrams:
    """A UDP socket to one address, or to all machines of a network by its broadcast address.

    Packets that cannot be sent are lost without an error. Of a host with addresses of IPv4 and
    IPv6, that of IPv4 is taken.

    Raises
    ------
    InvalidInputError
        If the host cannot be found, or the port is not from 1 to 65,535.
    """

    def __init__(self, host: str, port: int) -> None:
        try:
            found = socket.getaddrinfo(*checked_address(host, port), type=socket.SOCK_DGRAM)
            # most receivers listen at addresses of IPv4 alone, and "localhost" has both
            family, kind, _, _, self._address = min(found, key=lambda a: a[0] != socket.AF_INET)
            self._socket = socket.socket(family, kind)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        except (OSError, UnicodeError) as error:  # the latter of names that no host can have
            raise InvalidInputError(
                f"cannot send to {shown_address(host, port)}: {error}"
            ) from error

    def send(self, packet: bytes) -> None:
        """Send one packet."""
        with contextlib.suppress(OSError):
            self._socket.sendto(packet, self._address)

    def close(self) -> None:
        """Release the socket."""
        self._socket.close()


def checked_address(host: str, port: int) -> tuple[str, int]:
    """A host and port that packets may be sent to; raises InvalidInputError for others."""
    return option("host", host, Text(253)), option("port", port, Whole(1, 65535))


def host_and_port(address: str) -> tuple[str, int]:
    """The parts of ``HOST:PORT``; a host of IPv6 stands in brackets, as ``[::1]:39539``.

    Raises
    ------
    InvalidInputError
        If it is no address.
    """
    host, _, port = address.rpartition(":")
    named = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    # without brackets, nobody can tell where a host of IPv6 ends
    clear = bool(named) and (":" not in named or named != host)
    if not clear or not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65536:
        raise InvalidInputError(
            f"a stream takes HOST:PORT, as 127.0.0.1:39539 or [::1]:39539; got {address!r}"
        )
    return named, int(port)


def shown_address(host: object, port: object) -> str:
    """A host and port as messages have them, and as `host_and_port` reads them."""
    return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"


class UdpSender:
    """What senders over UDP share; each packs a frame its own way.

    Parameters
    ----------
    host : the name or address of the machine whose program listens
    port : the port; None for the one that is usual for the protocol
    retargeter : calibrates, scales and mirrors the performance; None leaves it as it is

    Raises
    ------
    InvalidInputError
        If the host cannot be found.
    """

    PORT: ClassVar[int]

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int | None = None,
        retargeter: Retargeter | None = None,
    ) -> None:
        self.retargeter = given_retargeter(retargeter)
        self._sent: dict[str, float] = {}  # all shapes that were sent, at rest
        self._eyes_sent = False
        self._prepare()
        self._socket = Datagrams(host, self.PORT if port is None else port)

    def _prepare(self) -> None:
        """Make ready what a protocol needs, or raise, before there is a socket to release."""

    def close(self) -> None:
        """Release the socket."""
        self._socket.close()

    def _retargeted(
        self, blendshapes: dict[str, float], quaternion_wxyz: FloatArray
    ) -> tuple[dict[str, float], FloatArray, FloatArray | None]:
        """The shapes, the head and the eyes of a frame.

        Receivers keep what does not come as it was last. So what is not seen any more is at rest.
        """
        shapes, head = self.retargeter(blendshapes, quaternion_wxyz)
        self._sent |= dict.fromkeys(shapes, 0.0)
        eyes = self.retargeter.eyes_deg(blendshapes)
        self._eyes_sent |= eyes is not None
        if eyes is None and self._eyes_sent:
            eyes = np.zeros((2, 2))
        return self._sent | shapes, head, eyes


class ArkitSender(UdpSender):
    """What senders share whose protocol has ARKit's names only; parameters are `UdpSender`'s.

    Raises
    ------
    InvalidInputError
        If the host cannot be found, or the retargeter has other names than ARKit's.
    """

    PROTOCOL: ClassVar[str]

    def _prepare(self) -> None:
        require_arkit(self.retargeter, self.PROTOCOL)


def require_arkit(retargeter: Retargeter, protocol: str) -> None:
    """Make sure that a retargeter keeps ARKit's names, which a protocol consists of.

    Raises
    ------
    InvalidInputError
        If it has targets of its own.
    """
    if not set(retargeter.target_names) <= set(Retargeter().target_names):
        raise InvalidInputError(
            f"{protocol} has ARKit's names only: use a mapping without 'targets' of other names"
        )


def angles_of(quaternion_wxyz: FloatArray) -> tuple[float, float, float]:
    """Pitch, yaw and roll in degrees, about x, y and z of ``model``, of a unit quaternion (4,)."""
    angles = euler_from_rotation(rotation_from_quaternion(np.asarray(quaternion_wxyz))[None])[0]
    pitch, yaw, roll = angles.tolist()
    return pitch, yaw, roll


def eye_radians(retargeter: Retargeter, blendshapes: dict[str, float]) -> list[float]:
    """Live Link's last six numbers, rad: yaw, pitch and roll of the left and of the right eye."""
    eyes = retargeter.eyes_deg(blendshapes)
    if eyes is None:
        return [0.0] * 6
    (right_pitch, right_yaw), (left_pitch, left_yaw) = np.deg2rad(eyes).tolist()
    return [left_yaw, left_pitch, 0.0, right_yaw, right_pitch, 0.0]


class Osc:
    """Messages and bundles of OSC, by python-osc.

    Raises
    ------
    BackendUnavailableError
        If python-osc is not installed.
    """

    def __init__(self) -> None:
        try:
            self._messages: Any = importlib.import_module("pythonosc.osc_message_builder")
            self._bundles: Any = importlib.import_module("pythonosc.osc_bundle_builder")
        except ImportError as error:
            raise BackendUnavailableError(
                "streaming needs python-osc: pip install 'edgeface[video]'"
            ) from error

    def message(self, address: str, *values: Any) -> Any:
        """A message; ``size`` is its bytes', ``dgram`` are these."""
        message = self._messages.OscMessageBuilder(address=address)
        for value in values:
            message.add_arg(value)
        return message.build()

    def bundle(self, messages: Iterable[Any]) -> bytes:
        """The bytes of messages that take effect together, at once."""
        bundle = self._bundles.OscBundleBuilder(self._bundles.IMMEDIATELY)
        for message in messages:
            bundle.add_content(message)
        return bundle.build().dgram
