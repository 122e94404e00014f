"""Tone mapping: what an ordinary screen shows of high dynamic range (HDR) pictures.

Phones film in HDR by default. Shown as it is coded, such a picture is grey and flat, and networks
that learned from ordinary pictures find fewer faces in it.
"""

from __future__ import annotations

import functools

import numpy as np

from edgeface.types import Float64Array

PQ, HLG = 16, 18
"""The transfer characteristics of HDR pictures, by the numbers of ISO/IEC 23091-2."""
WHITE_NITS = 203.0
"""The luminance of white paper, by ITU-R BT.2408; an ordinary screen's white is 1."""
PEAK_NITS = 1000.0
"""The screen that HDR is mastered for; highlights up to here keep their differences."""
KNEE = 0.5
"""Up to this share of white, light stays as it is: faces are below, highlights above."""
LUMINANCE_2020 = np.array([0.2627, 0.6780, 0.0593])
BT709_OF_2020 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]
)
"""From linear light of BT.2020 to that of BT.709, by ITU-R BT.2087."""
CUBE_SIDE = 36
"""Steps of each colour; a square number, so that a square picture holds all of them."""


@functools.lru_cache(maxsize=2)
def tone_cube(transfer: int) -> Float64Array:
    """`tone_curve` of evenly spaced signals, (`CUBE_SIDE`, `CUBE_SIDE`, `CUBE_SIDE`, 3).

    Its axes are blue, green and red, and its last one is RGB.
    """
    steps = np.linspace(0.0, 1.0, CUBE_SIDE)
    blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")
    return tone_curve(np.stack([red, green, blue], axis=-1), transfer)


def tone_curve(signal: Float64Array, transfer: int) -> Float64Array:
    """The sRGB (..., 3) in [0, 1] of an HDR signal (..., 3) in [0, 1], RGB of BT.2020.

    Notes
    -----
    In light ``x`` relative to white, with the knee ``k`` and the peak ``p``, each colour stays
    ``x`` up to ``k``, and becomes ``k + (1 - k) t (1 + t / T^2) / (1 + t)`` above it, with
    ``t = (x - k) / (1 - k)`` and ``T = (p - k) / (1 - k)``: the curve of Reinhard et al. 2002,
    which is smooth at the knee and 1 at the peak.
    """
    nits = _pq_nits(signal) if transfer == PQ else _hlg_nits(signal)
    light = np.maximum(nits / WHITE_NITS @ BT709_OF_2020.T, 0.0)
    over = np.maximum(light - KNEE, 0.0) / (1 - KNEE)
    most = (PEAK_NITS / WHITE_NITS - KNEE) / (1 - KNEE)
    bent = np.minimum(light, KNEE) + (1 - KNEE) * over * (1 + over / most**2) / (1 + over)
    screen: Float64Array = np.minimum(bent, 1.0)
    return np.where(screen <= 0.0031308, 12.92 * screen, 1.055 * screen ** (1 / 2.4) - 0.055)


def _pq_nits(signal: Float64Array) -> Float64Array:
    """The electro-optical transfer function of SMPTE ST 2084."""
    power = signal ** (32 / 2523)
    low = np.maximum(power - 107 / 128, 0.0)
    return 10_000.0 * (low / (2413 / 128 - 2392 / 128 * power)) ** (8192 / 1305)


def _hlg_nits(signal: Float64Array) -> Float64Array:
    """The inverse OETF and the OOTF of hybrid log-gamma, ITU-R BT.2100, for `PEAK_NITS`."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    return PEAK_NITS * scene * (scene @ LUMINANCE_2020)[..., None] ** 0.2
