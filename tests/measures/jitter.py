"""Jitter of landmarks on a photo under noise.

It is the standard deviation of a landmark over frames that show the same photo with other noise
(3 % of the grey range, Gaussian), as a root mean square over landmarks and axes, in per cent of the
face's size (root of its box's area). The first second, in which identity settles, is left out.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import edgeface

NOISE = 0.03 * 255
SETTLE, FRAMES = 30, 120
FPS = 30.0


def noisy_copies() -> Iterator[np.ndarray]:
    """The demo photo with other noise in every frame."""
    still = edgeface.read_image(edgeface.DEMO_PHOTO).astype(np.float32)
    random = np.random.default_rng(7)
    for _ in range(FRAMES):
        noise = random.normal(0, NOISE, still.shape)
        yield np.clip(still + noise, 0, 255).astype(np.uint8)


def jitter_percent(tracker: edgeface.Tracker) -> dict[int, float]:
    """Jitter by track, of the tracks that are seen in every frame that counts."""
    rows: dict[int, list[np.ndarray]] = {}
    sizes: dict[int, list[float]] = {}
    for index, image in enumerate(noisy_copies()):
        for face in tracker.update(image, index / FPS):
            if index >= SETTLE:
                size = np.sqrt(np.prod(face.box_xyxy[2:] - face.box_xyxy[:2]))
                rows.setdefault(face.track_id, []).append(face.landmarks_2d)
                sizes.setdefault(face.track_id, []).append(float(size))
    # divided by the mean size: a size of each frame's own would scale the whole image about its
    # corner, and its jitter would count the more, the further from there a face is
    return {
        i: 100 * float(np.sqrt(np.array(r).var(axis=0).mean())) / float(np.mean(sizes[i]))
        for i, r in rows.items()
        if len(r) == FRAMES - SETTLE
    }
