"""Driving characters: ARKit's names, mapping files, and the formats that animators read."""

from edgeface.blendshapes import ARKIT_NAMES
from edgeface.retarget.avatar import Avatar
from edgeface.retarget.character import Character, read_character
from edgeface.retarget.formats import FORMATS, STREAMS, export
from edgeface.retarget.gltf import write_gltf
from edgeface.retarget.livelink import write_livelink
from edgeface.retarget.mapping import Mapping, Source, read_mapping
from edgeface.retarget.options import ExportOptions
from edgeface.retarget.retargeter import RestPose, Retargeter, calibrate
from edgeface.retarget.vmc import VmcSender

__all__ = [
    "ARKIT_NAMES",
    "FORMATS",
    "STREAMS",
    "Avatar",
    "Character",
    "ExportOptions",
    "Mapping",
    "RestPose",
    "Retargeter",
    "Source",
    "VmcSender",
    "calibrate",
    "export",
    "read_character",
    "read_mapping",
    "write_gltf",
    "write_livelink",
]
