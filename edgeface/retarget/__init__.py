"""Driving characters: ARKit's names, mapping files, and the formats that animators read."""

from edgeface.blendshapes import ARKIT_NAMES
from edgeface.retarget.avatar import Avatar
from edgeface.retarget.character import Character, read_character
from edgeface.retarget.derived import derive, origins
from edgeface.retarget.formats import FORMATS, STREAMS, export
from edgeface.retarget.gltf import write_gltf
from edgeface.retarget.ifacialmocap import IFacialMocapSender
from edgeface.retarget.livelink import write_livelink
from edgeface.retarget.livelink_udp import LiveLinkSender
from edgeface.retarget.mapping import Mapping, Source, read_mapping
from edgeface.retarget.options import ExportOptions
from edgeface.retarget.reach import PersonRange, calibrate, learn_range, read_range
from edgeface.retarget.retargeter import Retargeter
from edgeface.retarget.vmc import VmcSender
from edgeface.retarget.vrchat import VRChatSender
from edgeface.retarget.websocket import WebSocketSender

__all__ = [
    "ARKIT_NAMES",
    "FORMATS",
    "STREAMS",
    "Avatar",
    "Character",
    "ExportOptions",
    "IFacialMocapSender",
    "LiveLinkSender",
    "Mapping",
    "PersonRange",
    "Retargeter",
    "Source",
    "VRChatSender",
    "VmcSender",
    "WebSocketSender",
    "calibrate",
    "derive",
    "export",
    "learn_range",
    "origins",
    "read_character",
    "read_mapping",
    "read_range",
    "write_gltf",
    "write_livelink",
]
