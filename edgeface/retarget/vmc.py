"""The VMC protocol: OSC messages that move avatars in VSeeFace, Warudo, VNyan and the like."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeface.errors import BackendUnavailableError, InvalidInputError
from edgeface.retarget.retargeter import Retargeter

DEFAULT_PORT = 39539
"""Where programs that show an avatar listen; those that take a face alone, at 39540."""


class VmcSender:
    """Sends one OSC bundle a frame over UDP.

    Parameters
    ----------
    host, port : of the listening program
    retargeter : its targets are the avatar's blend shape clips; without any, ARKit's names in
        VRM's spelling ("JawOpen") go out, which "perfect sync" avatars have

    Raises
    ------
    InvalidInputError
        If the host cannot be found.
    BackendUnavailableError
        If python-osc is not installed.

    Notes
    -----
    Unity's frame is left-handed with the avatar's left at -x: a rotation goes over with
    (w, x, -y, -z). https://protocol.vmc.info
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = DEFAULT_PORT,
        retargeter: Retargeter | None = None,
    ) -> None:
        try:
            client: Any = importlib.import_module("pythonosc.udp_client")
            self._bundles: Any = importlib.import_module("pythonosc.osc_bundle_builder")
            self._messages: Any = importlib.import_module("pythonosc.osc_message_builder")
        except ImportError as error:
            raise BackendUnavailableError(
                "streaming needs python-osc: pip install 'edgeface[video]'"
            ) from error
        try:
            self._client = client.SimpleUDPClient(host, port)
        except (OSError, OverflowError) as error:
            raise InvalidInputError(f"cannot send to {host}:{port}: {error}") from error
        self.retargeter = retargeter or Retargeter()

    def send(
        self, time_s: float, blendshapes: dict[str, float], quaternion_wxyz: NDArray[Any]
    ) -> None:
        """Send one frame of one person: shapes by ARKit name, head in the ``model`` frame."""
        shapes, head = self.retargeter(blendshapes, quaternion_wxyz)
        w, x, y, z = (float(v) for v in np.asarray(head))
        bundle = self._bundles.OscBundleBuilder(self._bundles.IMMEDIATELY)
        self._add(bundle, "/VMC/Ext/OK", 1)
        self._add(bundle, "/VMC/Ext/T", float(time_s))
        bone = self.retargeter.mapping.head_bone or "Head"
        self._add(bundle, "/VMC/Ext/Bone/Pos", bone, 0.0, 0.0, 0.0, x, -y, -z, w)
        for name, value in shapes.items():
            clip = name if self.retargeter.mapping.targets else name[0].upper() + name[1:]
            self._add(bundle, "/VMC/Ext/Blend/Val", clip, value)
        self._add(bundle, "/VMC/Ext/Blend/Apply")
        self._client.send(bundle.build())

    def close(self) -> None:
        """Release the socket."""
        self._client._sock.close()

    def _add(self, bundle: Any, address: str, *values: Any) -> None:
        message = self._messages.OscMessageBuilder(address=address)
        for value in values:
            message.add_arg(value)
        bundle.add_content(message.build())
