"""The kinds of network: what each looks at and what its outputs mean.

Whoever needs to know how networks differ asks a `NetworkKind`; nothing compares names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod

from edgeface.face_model import NUM_EXPRESSIONS, NUM_IDENTITY

NUM_BOX = 5
"""The number of values of a box: its centre, its width and height, and the objectness."""
NUM_HARMONICS = 20
"""The number of the face model's manifold harmonics by which a network may correct a shape."""


NUM_GAZE = 4
"""The number of values of a gaze: pitch and yaw of the right eye, then of the left, rad."""
PERSON_MAPS = {
    "modes": (50,),
    "neutral": (3, 64, 64),
    "shapes": (55, 3, 64, 64),
    "skin": (3, 128, 128),
    "dynamic_skin": (55, 3, 64, 64),
}
"""The shape of each output of a network that guesses a person: corrections of the template that
ships (`edgeface.personal.template.Template`), as ``edgeface.reference.personal.person.Person`` has
them; but the skin is whole, mean and correction (``R_0^t + Delta_0^R``)."""


@dataclass(frozen=True, eq=False)
class PoseLayout:
    """What the values of the output ``pose`` are.

    Attributes
    ----------
    slices : for each quantity, the index at which it starts and the one before which it ends
    """

    slices: Mapping[str, tuple[int, int]]

    @property
    def width(self) -> int:
        """The number of values."""
        return max((end for _, end in self.slices.values()), default=0)


QUATERNION_POSE = PoseLayout(
    {"quaternion_wxyz": (0, 4), "translation": (4, 7), "scale_logit": (7, 8)}
)
"""A raw quaternion, the translation in model units and the logit of the scale."""
NO_POSE = PoseLayout({})
"""Of a network that says nothing of where the face is."""
ROTATION_VECTOR_POSE = PoseLayout(
    {"scale_logit": (0, 1), "rotation_vector": (1, 4), "translation_2d": (4, 6)}
)
"""The logit of the scale, a rotation vector (rad) and the translation in ``face_norm``
(`edgeface.kernels.pose_from_vector`)."""


@dataclass(frozen=True, eq=False)
class NetworkKind:
    """What all networks of one kind have in common.

    Attributes
    ----------
    name : the name that checkpoints and model files have under the key ``kind``
    detects : whether the network looks at a whole image and finds the faces itself. Others look at
        a crop of each face, whose box they are given. A network that detects has outputs for every
        cell of a grid and every anchor; others have them once for each crop.
    outputs : the network's outputs in order, and how many values each has for one face
    pose : what the values of the output ``pose`` are
    optional : the outputs that some of its networks have after the others, and their sizes
    scales : whether its networks are multi-scale or single-scale, so that their names tell which
    """

    name: str
    detects: bool
    outputs: Mapping[str, int]
    pose: PoseLayout
    optional: Mapping[str, int] = field(default_factory=lambda: {})
    scales: bool = False

    @property
    def gives_faces(self) -> bool:
        """Whether the outputs say where a face is and what it does. ModelNet's say whose it is."""
        return "pose" in self.outputs

    @property
    def gives_identity(self) -> bool:
        """Whether faces have an identity of their own. TrackNet's have the mean one: whose motion
        it is does not matter (Chaudhuri et al. 2020, Sec. 3.3)."""
        return "identity" in self.outputs

    @property
    def gives_person(self) -> bool:
        """Whether the outputs hold a person's corrections of the template (2020, Sec. 3.2)."""
        return "neutral" in self.outputs

    @property
    def corrects_shape(self) -> bool:
        """Whether the output ``correction`` changes the face model's shape (Wang et al. 2019)."""
        return "correction" in self.outputs

    def outputs_with(self, *, gaze: bool) -> Mapping[str, int]:
        """The outputs of a network that tells where eyes look, or of one that does not."""
        return {**self.outputs, **(self.optional if gaze else {})}


_MOTION = {"light": 27, "expression": NUM_EXPRESSIONS, "pose": QUATERNION_POSE.width}
_PERSON = {name: prod(shape) for name, shape in PERSON_MAPS.items()}
_IDENTITY_AND_EXPRESSION = {"identity": NUM_IDENTITY, "expression": NUM_EXPRESSIONS}

KINDS: dict[str, NetworkKind] = {
    kind.name: kind
    for kind in (
        NetworkKind(
            "sfn",
            detects=False,
            outputs=_IDENTITY_AND_EXPRESSION | {"pose": QUATERNION_POSE.width},
            pose=QUATERNION_POSE,
            optional={"gaze": NUM_GAZE},
            scales=True,
        ),
        NetworkKind(
            "mfn",
            detects=True,
            outputs={"detection": NUM_BOX}
            | _IDENTITY_AND_EXPRESSION
            | {"pose": QUATERNION_POSE.width},
            pose=QUATERNION_POSE,
            scales=True,
        ),
        NetworkKind(
            "fusion",
            detects=False,
            outputs=_IDENTITY_AND_EXPRESSION
            | {"correction": 3 * NUM_HARMONICS, "pose": ROTATION_VECTOR_POSE.width},
            pose=ROTATION_VECTOR_POSE,
        ),
        NetworkKind("tracknet", detects=False, outputs=_MOTION, pose=QUATERNION_POSE, scales=True),
        NetworkKind("modelnet", detects=False, outputs=_PERSON, pose=NO_POSE, scales=True),
        NetworkKind(
            "personal", detects=False, outputs=_MOTION | _PERSON, pose=QUATERNION_POSE, scales=True
        ),
    )
}
"""Every kind that the runtime reads, by name."""
