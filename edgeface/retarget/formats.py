"""Every format that a performance is exported to, and every protocol by which it is streamed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from edgeface.errors import InvalidInputError
from edgeface.recording import Recording, read_recording
from edgeface.retarget.avatar import Connect
from edgeface.retarget.datagrams import require_arkit
from edgeface.retarget.gltf import check_binary, check_gltf, export_gltf
from edgeface.retarget.ifacialmocap import IFacialMocapSender
from edgeface.retarget.livelink import export_livelink
from edgeface.retarget.livelink_udp import LiveLinkSender
from edgeface.retarget.options import ExportOptions
from edgeface.retarget.viewer import export_viewer
from edgeface.retarget.vmc import VmcSender
from edgeface.retarget.vrchat import VRChatSender
from edgeface.retarget.websocket import WebSocketSender
from edgeface.values import Choice, instance, option

Export = Callable[[Path, Recording, ExportOptions], None]


@dataclass(frozen=True)
class ExportFormat:
    """A kind of file that a recording can become.

    Attributes
    ----------
    suffix : the suffix of a file name that stands for the format
    export : the function that writes the file; None for the recording itself, which is written
        frame by frame
    """

    suffix: str
    export: Export | None


FORMATS: dict[str, ExportFormat] = {
    "jsonl": ExportFormat(".jsonl", None),
    "livelink": ExportFormat(".csv", export_livelink),
    "gltf": ExportFormat(".glb", export_gltf),
    "html": ExportFormat(".html", export_viewer),
}
"""The formats by the names that ``edgeface track --to`` takes."""

STREAMS: dict[str, Connect] = {
    "vmc": lambda host, port, retargeter, _: VmcSender(host, port, retargeter),
    "livelink": LiveLinkSender,
    "ifacialmocap": lambda host, port, retargeter, _: IFacialMocapSender(host, port, retargeter),
    "vrchat": lambda host, port, retargeter, _: VRChatSender(host, port, retargeter),
    "websocket": WebSocketSender,
}
"""The protocols by name; each is an option of ``edgeface track`` that takes ``HOST:PORT``."""

ARKIT_ONLY = ("livelink", "ifacialmocap", "vrchat")
"""The formats and protocols that have ARKit's names only: what reads them has its own character."""


def format_of(path: Path, named: str | None) -> str:
    """Find the format of an output file.

    Raises
    ------
    InvalidInputError
        If neither the suffix nor ``named`` tells it, or ``.gltf`` is to name a binary glTF file.
    """
    if named is not None:
        if named == "gltf":
            check_binary(path)
        return named
    for name, known in FORMATS.items():
        if path.suffix.lower() == known.suffix:
            return name
    listed = ", ".join(f"{known.suffix} ({name})" for name, known in FORMATS.items())
    raise InvalidInputError(f"{path}: the suffix names no format; known are {listed}. Or use --to")


def suited(name: str, options: ExportOptions) -> ExportOptions:
    """The options as a format or protocol takes them.

    Those of `ARKIT_ONLY` leave a character aside, and with it the mapping that moves it.
    """
    if name in ARKIT_ONLY and options.character is not None:
        return replace(options, character=None, mapping=None)
    return options


def check_export(name: str, options: ExportOptions) -> None:
    """Raise an error of an export before the first frame is tracked rather than after the last.

    Raises
    ------
    InvalidInputError
        If the mapping or the character cannot be read or do not suit each other, or the format has
        ARKit's names only.
    """
    if name == "gltf":
        check_gltf(options)
    retargeter = suited(name, options).retargeter()
    if name == "livelink":
        require_arkit(retargeter, "Live Link Face")


def export(source: Path | str | Recording, path: Path, name: str, options: ExportOptions) -> None:
    """Turn a recording into another format.

    Parameters
    ----------
    source : the recording, a ``.jsonl`` file or what `edgeface.recording.read_recording` read
    path : the file to write
    name : the format, a key of `FORMATS` except "jsonl"
    options : whose performance is exported, onto which character, and how

    Raises
    ------
    InvalidInputError
        If there is no such format or it is the recording's own, nobody was seen, or a file cannot
        be read or written.
    """
    option("the name of the format", name, Choice(tuple(FORMATS)))
    instance("options", options, ExportOptions)
    options.retargeter()  # a page needs none, and yet its mapping shall be one
    write = FORMATS[name].export
    if write is None:
        others = [known.suffix for known in FORMATS.values() if known.export is not None]
        raise InvalidInputError(
            f"{path} would be the recording again: name a file that ends in {', '.join(others)}"
        )
    recording = source if isinstance(source, Recording) else read_recording(source)
    write(path, recording, suited(name, options))
