"""ModelNet's guess of the person in some frames, which fitting can start from."""

# torch types its operations in part only
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import os

import numpy as np
import torch

from edgeface.errors import InvalidInputError
from edgeface.personal.template import Template
from edgeface.reference.data.cache import digest
from edgeface.reference.networks.checkpoint import load_network
from edgeface.reference.personal.batches import cut_view, view_matrix
from edgeface.reference.personal.frames import Frames
from edgeface.reference.personal.learning import Reading
from edgeface.reference.personal.person import Person
from edgeface.types import ImageArray


class Guesser:
    """Guesses persons by a trained ModelNet.

    Parameters
    ----------
    checkpoint : ``modelnet.ckpt`` of ``edgeface-train personal train``
    template : what the persons correct

    Attributes
    ----------
    digest : a name of the weights

    Raises
    ------
    InvalidInputError
        If there is no such file, it holds another network, or ModelNet corrects another template.
    ModelFormatError
        If it is damaged.
    """

    def __init__(self, checkpoint: str | os.PathLike[str], template: Template) -> None:
        trained = load_network(checkpoint)
        if trained.config.kind != "modelnet":
            raise InvalidInputError(f"{checkpoint} holds no modelnet, but a {trained.config.kind}")
        self._network, self._size = trained.network, trained.config.input_size
        self._reading = Reading(template, trained.face_model, self._size)
        self.digest = digest(*(w.numpy() for w in trained.network.state_dict().values()))[:12]

    @torch.no_grad()
    def __call__(self, frames: Frames) -> Person:
        """The one person whom all frames show."""
        views = np.stack([self._view(frames, row) for row in range(len(frames))])
        outputs = self._network(torch.from_numpy(views)[None])
        (person,) = self._reading.persons(outputs)
        return person

    def _view(self, frames: Frames, row: int) -> ImageArray:
        """A frame as the networks' crops have it: around the points of its mesh."""
        image = (frames.images[row] * 255).round().to(torch.uint8).numpy()
        matrix = view_matrix(frames.mesh[row].numpy(), self._size)
        return cut_view(image, matrix, self._size)[0]
