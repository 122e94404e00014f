"""Landmarks from the reduced 204 x 50 x 47 tensor."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def contract_landmarks(basis: Array, identity: Array, expression: Array) -> Array:
    """3D landmarks of N faces by one product over all of them.

    Parameters
    ----------
    basis : float32, shape (47, 204 * 50), `arrange_tensor` of the reduced tensor
    identity : float32, shape (N, 50)
    expression : float32, shape (N, 46), in [0, 1]

    Returns
    -------
    float32, shape (N, 68, 3), ``model`` frame

    Notes
    -----
    Chaudhuri et al. 2019, Eq. 1 on the reduced tensor, with ``w_exp[0] = 1 - sum(w_exp[1:])``.
    """
    weights = np.empty((len(expression), basis.shape[0]), np.float32)
    weights[:, 1:] = expression
    weights[:, 0] = 1.0 - expression.sum(axis=1)
    num_identity = identity.shape[1]
    num_rows = basis.shape[1] // num_identity
    per_identity = (weights @ basis).reshape(len(weights), num_rows, num_identity)
    return (per_identity @ identity[:, :, None]).reshape(len(weights), num_rows // 3, 3)


def arrange_tensor(reduced: Array) -> Array:
    """The reduced tensor (204, 50, 47) as (47, 204 * 50), contiguous, for `contract_landmarks`."""
    return np.ascontiguousarray(reduced.transpose(2, 0, 1)).reshape(reduced.shape[2], -1)
