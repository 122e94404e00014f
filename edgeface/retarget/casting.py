"""Deciding who plays which role when several people are streamed."""

from __future__ import annotations

from edgeface.faces import Face, Faces

WAIT_S = 1.5
"""How long somebody who is away is waited for, which is as long as a tracker keeps numbers."""


class Casting:
    """Decides who plays which role.

    A person keeps their role until they have been away for `WAIT_S`. Then the person with the
    largest face, of those without a role, takes it.

    Parameters
    ----------
    first : the number of the person who always plays role 0; None gives it to the largest face
    """

    def __init__(self, first: int | None = None) -> None:
        self._first = first
        self._players: dict[int, tuple[int, float]] = {}

    def face(self, role: int, time_s: float, faces: Faces) -> Face | None:
        """The face of the person who plays a role, if they are in this frame."""
        if role == 0 and self._first is not None:
            wanted: int | None = self._first
        else:
            wanted = self._keep_or_choose(role, time_s, faces)
        face = next((face for face in faces if face.track_id == wanted), None)
        if face is not None and wanted is not None:
            self._players[role] = (wanted, time_s)
        return face

    def _keep_or_choose(self, role: int, time_s: float, faces: Faces) -> int | None:
        here = {face.track_id for face in faces}
        player, seen_s = self._players.get(role, (None, 0.0))
        if player is not None and (player in here or time_s - seen_s <= WAIT_S):
            return player
        taken = {
            who
            for other, (who, when_s) in self._players.items()
            if other != role and (who in here or time_s - when_s <= WAIT_S)
        } | {self._first}
        free = [face for face in faces if face.track_id not in taken]
        nearest = max(free, key=lambda face: face.box_xyxy[3] - face.box_xyxy[1], default=None)
        return player if nearest is None else nearest.track_id
