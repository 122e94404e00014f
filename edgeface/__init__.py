"""edgeface: every face of an image by one network pass.

>>> import edgeface
>>> faces = edgeface.load("mfn").run("photo.jpg")       # doctest: +SKIP
>>> faces.boxes_xyxy, faces.landmarks_2d, faces[0].blendshapes      # doctest: +SKIP
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgeface.backends import BackendInfo, backends
    from edgeface.blendshapes import ARKIT_NAMES
    from edgeface.enrol import personalise
    from edgeface.errors import (
        BackendUnavailableError,
        ConversionError,
        EdgeFaceError,
        InferenceError,
        InvalidInputError,
        MetadataError,
        ModelFormatError,
        ParityError,
        SwappedChannelsWarning,
        TooManyFacesWarning,
    )
    from edgeface.face import Face
    from edgeface.face_model import FaceModel, default_face_model
    from edgeface.face_model_import import from_facewarehouse, from_ict_facekit
    from edgeface.faces import Faces
    from edgeface.image import read_image
    from edgeface.model import DEMO_PHOTO, Model, load
    from edgeface.personal.model import PersonalModel
    from edgeface.video.camera import Camera
    from edgeface.video.tracker import Tracker

__version__ = "0.2.0"

__all__ = [
    "ARKIT_NAMES",
    "DEMO_PHOTO",
    "BackendInfo",
    "BackendUnavailableError",
    "Camera",
    "ConversionError",
    "EdgeFaceError",
    "Face",
    "FaceModel",
    "Faces",
    "InferenceError",
    "InvalidInputError",
    "MetadataError",
    "Model",
    "ModelFormatError",
    "ParityError",
    "PersonalModel",
    "SwappedChannelsWarning",
    "TooManyFacesWarning",
    "Tracker",
    "__version__",
    "backends",
    "default_face_model",
    "from_facewarehouse",
    "from_ict_facekit",
    "load",
    "personalise",
    "read_image",
]

_HOMES = {
    "ARKIT_NAMES": "blendshapes",
    "BackendInfo": "backends",
    "Camera": "video.camera",
    "DEMO_PHOTO": "model",
    "Face": "face",
    "FaceModel": "face_model",
    "Faces": "faces",
    "Model": "model",
    "PersonalModel": "personal.model",
    "Tracker": "video.tracker",
    "backends": "backends",
    "default_face_model": "face_model",
    "from_facewarehouse": "face_model_import",
    "from_ict_facekit": "face_model_import",
    "load": "model",
    "personalise": "enrol",
    "read_image": "image",
}


def __getattr__(name: str) -> Any:
    """Import public names when they are first asked for, so that ``import edgeface`` is cheap."""
    if name not in __all__:
        is_module = importlib.util.find_spec(f"edgeface.{name}") is not None
        remedy = f" before 'import edgeface.{name}'" if is_module else ""
        raise AttributeError(f"module 'edgeface' has no attribute {name!r}{remedy}")
    home = importlib.import_module(f"edgeface.{_HOMES.get(name, 'errors')}")
    return getattr(home, name)


def __dir__() -> list[str]:
    return sorted(__all__)
