"""Tone mapping: what an ordinary screen shows of high dynamic range (HDR) video.

Phones film in HDR by default. Shown as it is coded, such a picture is grey and flat, and networks
that learned from ordinary pictures find fewer faces in it.
"""

from __future__ import annotations

import functools
from fractions import Fraction
from typing import Any

import numpy as np

from edgeface.types import Float64Array, ImageArray
from edgeface.video.source import import_av

PQ, HLG = 16, 18
"""The transfer characteristics of HDR, by the numbers of ISO/IEC 23091-2."""
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
LEVEL = 6
"""A cube with `LEVEL` ** 2 steps a side is a square picture of `LEVEL` ** 3 px a side."""
TICK = Fraction(1, 1000)


def is_hdr(picture: Any) -> bool:
    """Whether an ``av.VideoFrame`` is tagged as HDR."""
    return int(picture.color_trc) in (PQ, HLG)


def tone_mapped(picture: Any, transfer: int) -> ImageArray:
    """Convert an HDR picture to sRGB.

    Parameters
    ----------
    picture : an ``av.VideoFrame`` of the format rgb48le, primaries of BT.2020
    transfer : `PQ` or `HLG`

    Returns
    -------
    uint8, shape (H, W, 3), RGB
        `tone_curve` of each pixel, interpolated between `LEVEL` ** 2 steps of each colour.
    """
    graph: Any = import_av().filter.Graph()
    source, table = (
        graph.add_buffer(width=p.width, height=p.height, format=p.format.name, time_base=TICK)
        for p in (picture, _table(transfer))
    )
    mapping, result = graph.add("haldclut"), graph.add("buffersink")
    form = graph.add("format", "pix_fmts=rgb24")
    source.link_to(mapping, 0, 0)
    table.link_to(mapping, 0, 1)
    mapping.link_to(form)
    form.link_to(result)
    graph.configure()
    for entry, frame in ((table, _table(transfer)), (source, picture)):
        frame.pts, frame.time_base = 0, TICK
        entry.push(frame)
        entry.push(None)
    return result.pull().to_ndarray()


def tone_curve(signal: Float64Array, transfer: int) -> Float64Array:
    """The sRGB (..., 3) in [0, 1] of an HDR signal (..., 3) in [0, 1], RGB of BT.2020.

    Notes
    -----
    In light ``x`` relative to white, with the knee ``k`` and the peak ``p``, the largest of the
    three colours becomes ``x`` up to ``k``, and above ``k + (1 - k) t (1 + t / T^2) / (1 + t)``
    with ``t = (x - k) / (1 - k)`` and ``T = (p - k) / (1 - k)``: the curve of Reinhard et al. 2002,
    which is smooth at the knee and 1 at the peak. The other two follow in proportion.
    """
    nits = _pq_nits(signal) if transfer == PQ else _hlg_nits(signal)
    light = np.maximum(nits / WHITE_NITS @ BT709_OF_2020.T, 0.0)
    brightest = light.max(axis=-1, keepdims=True)
    over = np.maximum(brightest - KNEE, 0.0) / (1 - KNEE)
    most = (PEAK_NITS / WHITE_NITS - KNEE) / (1 - KNEE)
    bent = np.minimum(brightest, KNEE) + (1 - KNEE) * over * (1 + over / most**2) / (1 + over)
    light: Float64Array = np.minimum(light * bent / np.maximum(brightest, 1e-9), 1.0)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


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


@functools.lru_cache(maxsize=2)
def _table(transfer: int) -> Any:
    """`tone_curve` as a Hald picture: red runs fastest, then green, then blue."""
    steps = np.linspace(0.0, 1.0, LEVEL**2)
    blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")
    values = tone_curve(np.stack([red, green, blue], axis=-1), transfer)
    pixels = np.rint(65_535 * values).astype(np.uint16).reshape(LEVEL**3, LEVEL**3, 3)
    return import_av().VideoFrame.from_ndarray(pixels, format="rgb48le")
