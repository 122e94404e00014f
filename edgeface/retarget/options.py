"""What is to be made of a recording: whose performance, for which character."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgeface.errors import InvalidInputError
from edgeface.recording import Performance, Recording
from edgeface.retarget.mapping import read_mapping
from edgeface.retarget.retargeter import RestPose, Retargeter, calibrate
from edgeface.values import Number, option


@dataclass(frozen=True)
class ExportOptions:
    """What to make of a recording.

    Attributes
    ----------
    track_id : whose performance is exported; None takes whoever was seen in most frames
    character : the .glb that a glTF export animates
    mapping : the mapping file of the character; without one, ARKit's names are kept
    calibrate_s : how many seconds at the beginning of the performance show the neutral face
    """

    track_id: int | None = None
    character: Path | None = None
    mapping: Path | None = None
    calibrate_s: float = 0.0

    def __post_init__(self) -> None:
        if self.character is not None and not self.character.is_file():
            raise InvalidInputError(f"no such character: {self.character}")
        option("--calibrate", self.calibrate_s, Number(0, 1e6))

    def retargeter(self) -> Retargeter:
        """A retargeter of the mapping file, not calibrated yet.

        Raises
        ------
        InvalidInputError
            If the file is absent or no mapping.
        """
        return Retargeter(None if self.mapping is None else read_mapping(self.mapping))

    def calibrated(self, recording: Recording) -> tuple[Performance, Retargeter]:
        """The chosen performance, and a retargeter that knows its neutral face.

        Raises
        ------
        InvalidInputError
            If nobody was seen, or nobody with that number.
        """
        performance = recording.performance(self.track_id)
        retargeter = self.retargeter()
        retargeter.rest = self._rest(performance)
        return performance, retargeter

    def _rest(self, performance: Performance) -> RestPose:
        if self.calibrate_s == 0:
            return RestPose()
        times_s = performance.times_s
        count = int((times_s - times_s[0] <= self.calibrate_s).sum())
        return calibrate(performance.blendshapes[:count], performance.quaternions_wxyz[:count])
