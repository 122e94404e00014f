"""Landmarks and dense shapes of many faces from a 3D morphable model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeface.kernels.jit import Engine, loops
from edgeface.kernels.types import Float32Array, FloatArray

LANES = 4
"""How many rows of a block the loops take at a time; blocks are padded with zero rows."""


@dataclass(frozen=True)
class Basis:
    """A morphable model of L points, arranged for contraction.

    Attributes
    ----------
    blocks : float32, shape (I, K, 3 * L)
        A full multilinear tensor has one block for each identity mode (I = 50), and in it one row
        for each expression, the neutral first (47, padded to 48). Where all identities share the
        expression offsets, one block holds everything: 50 identity modes, then 46 offsets.
    shared : whether all identities share the expression offsets
    num_identity : the number of identity coefficients: 50, and the corrections where there are any
    num_expressions : the number of expression coefficients, 46
    """

    blocks: Float32Array
    shared: bool
    num_identity: int
    num_expressions: int

    @staticmethod
    def from_shapes(
        identity: FloatArray, expression: FloatArray, harmonics: FloatArray | None = None
    ) -> Basis:
        """Arrange identity (50, L, 3) and offsets (46, L, 3) or (50, 46, L, 3), ``model`` frame.

        With ``harmonics`` (L, K), their 3 K corrections follow the identity modes, and the
        coefficients of both are given as one array of 50 + 3 K (Wang et al. 2019, Sec. 3.2).
        """
        if harmonics is not None:
            modes = _correction_modes(harmonics)
            identity = np.concatenate([identity, modes])
            if expression.ndim == 4:  # which no correction changes
                none = np.zeros((len(modes), *expression.shape[1:]), expression.dtype)
                expression = np.concatenate([expression, none])
        neutral = identity.reshape(len(identity), 1, -1)
        if expression.ndim == 3:
            rows = np.concatenate([neutral[:, 0], expression.reshape(len(expression), -1)])
            return Basis(_padded(rows[None]), True, len(identity), len(expression))
        offsets = expression.reshape(*expression.shape[:2], -1)
        rows = np.concatenate([neutral, neutral + offsets], axis=1)
        return Basis(_padded(rows), False, len(identity), expression.shape[1])


def _correction_modes(harmonics: FloatArray) -> Float32Array:
    """The shapes (3 K, L, 3) that move points by each of K functions (L, K) along x, y and z."""
    modes = harmonics.T[:, None, :, None] * np.eye(3)[:, None, :]
    return modes.reshape(-1, len(harmonics), 3).astype(np.float32)


def _padded(blocks: FloatArray) -> Float32Array:
    missing = -blocks.shape[1] % LANES
    return np.ascontiguousarray(np.pad(blocks, ((0, 0), (0, missing), (0, 0))), np.float32)


def contract_shapes(
    basis: Basis, identity: FloatArray, expression: FloatArray, *, engine: Engine = "numpy"
) -> FloatArray:
    """Compute the shapes of N faces by one blocked product over all of them.

    Parameters
    ----------
    basis : Basis of L points
    identity : float32, shape (N, 50)
    expression : float32, shape (N, 46), in [0, 1]
    engine : "numba" or "numpy"

    Returns
    -------
    float32, shape (N, L, 3), ``model`` frame

    Raises
    ------
    ValueError
        If the coefficients have other shapes.

    Notes
    -----
    Chaudhuri et al. 2019, Eq. 1 with ``w_exp[0] = 1 - sum(w_exp[1:])``. If all identities share the
    offsets, a shape is a sum of 96 rows, with 24 times fewer multiply-adds than 50 x 47.
    """
    _validate(basis, identity, expression)
    outer, inner = weights_numpy(basis, identity, expression)
    if engine == "numpy":
        out = contract_numpy(basis.blocks, outer, inner)
    else:
        out = np.empty((len(inner), basis.blocks.shape[2]), np.float32)
        line = np.empty(basis.blocks.shape[2], np.float32)
        loops("pose").contract_loops(basis.blocks, outer, inner, line, out)
    return out.reshape(len(out), basis.blocks.shape[2] // 3, 3)


def _validate(basis: Basis, identity: FloatArray, expression: FloatArray) -> None:
    count = len(identity)
    if identity.shape != (count, basis.num_identity) or expression.shape != (
        count,
        basis.num_expressions,
    ):
        raise ValueError(
            f"expected identity (N, {basis.num_identity}) and expression "
            f"(N, {basis.num_expressions}), got {identity.shape} and {expression.shape}"
        )


def weights_numpy(
    basis: Basis, identity: FloatArray, expression: FloatArray
) -> tuple[Float32Array, Float32Array]:
    """The outer (N, I) and inner (N, K) weights of `Basis.blocks`, float32."""
    inner = np.zeros((len(identity), basis.blocks.shape[1]), np.float32)
    if basis.shared:
        split, end = basis.num_identity, basis.num_identity + basis.num_expressions
        inner[:, :split] = identity
        inner[:, split:end] = identity[:, :1] * expression
        return np.ones((len(identity), 1), np.float32), inner
    inner[:, 0] = 1.0 - expression.sum(axis=1)
    inner[:, 1 : basis.num_expressions + 1] = expression
    return np.ascontiguousarray(identity, np.float32), inner


def contract_numpy(blocks: Float32Array, outer: Float32Array, inner: Float32Array) -> Float32Array:
    """``out[n] = sum_i outer[n, i] sum_k inner[n, k] blocks[i, k]``, (N, 3 * L)."""
    if len(blocks) == 1:
        return inner @ blocks[0]  # outer is one
    return np.einsum("ni,inr->nr", outer, inner @ blocks)
