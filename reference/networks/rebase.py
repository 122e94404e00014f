"""Moving a trained network to another face model, in whose modes it then gives identities."""

# torch tells part of its types
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from edgeface.errors import InvalidInputError
from edgeface.face_model import FaceModel
from edgeface.reference.networks import CLASSES
from edgeface.reference.networks.checkpoint import TrainedNetwork


def on_face_model(trained: TrainedNetwork, model: FaceModel) -> TrainedNetwork:
    """The network with the last layer of its identity branch turned to another model's modes.

    Training then goes on from the shapes that the network has learned. Only identity is carried
    over: expressions of the same names are learned anew within an epoch.

    Raises
    ------
    InvalidInputError
        If the two models' meshes differ, or the names of their expressions.

    Notes
    -----
    ``w' = argmin |N'^T w' - N^T w|^2`` is linear in ``w``; so the layer can give ``w'`` itself.
    """
    if trained.face_model.sha256 == model.sha256:
        return trained
    if trained.face_model.expression_names != model.expression_names:
        raise InvalidInputError(
            f"the checkpoint's face model has other expressions ({_some(trained.face_model)}) than "
            f"the one to move it to ({_some(model)}): they would take each other's values"
        )
    if not trained.config.network_kind.gives_identity:
        return replace(trained, face_model=model)
    if np.array_equal(trained.face_model.identity, model.identity):
        if trained.config.network_kind.corrects_shape:  # its corrections are sums of these
            model = replace(model, harmonics=trained.face_model.harmonics)
        return replace(trained, face_model=model)
    old, new = (m.identity.reshape(len(m.identity), -1) for m in (trained.face_model, model))
    if old.shape != new.shape:
        raise InvalidInputError(
            f"the checkpoint's face model has {old.shape[1] // 3} vertices and the other "
            f"{new.shape[1] // 3}: a network moves between models of one mesh only"
        )
    change = np.linalg.lstsq(new.T.astype(float), old.T.astype(float), rcond=None)[0]
    network = copy.deepcopy(trained.network)
    kind: Any = CLASSES[trained.config.kind]
    branch = network.get_submodule(kind.identity_branch)
    last = list(branch.modules())[-1]
    assert isinstance(last, nn.Linear | nn.Conv2d)
    assert last.bias is not None
    turn = torch.from_numpy(change).to(last.weight.dtype)
    with torch.no_grad():
        weight = last.weight.reshape(-1, len(old), last.weight[0].numel())  # (anchors, 50, inputs)
        last.weight.copy_((turn @ weight).reshape(last.weight.shape))
        last.bias.copy_((last.bias.reshape(-1, len(old)) @ turn.T).reshape(-1))
    return replace(trained, network=network, face_model=model)


def _some(model: FaceModel) -> str:
    return ", ".join(model.expression_names[:2]) + " ..."
