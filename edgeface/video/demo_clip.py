"""A clip for those without a camera: a window moves over the photo that ships."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from PIL import Image

from edgeface.image import read_image
from edgeface.model import DEMO_PHOTO
from edgeface.video.reader import Frame

NUM_FRAMES, FPS = 240, 30.0
SIZE = (480, 640)
"""Height and width, px."""


class DemoClip:
    """Frames like a `VideoReader`'s, of a window that sways and zooms over the photo.

    Parameters
    ----------
    num_frames : the number of frames; after each `NUM_FRAMES` of them, the window is where it began
    """

    live = has_sound = False
    fps: float | None = FPS
    timecode: str | None = None
    start_s = 0.0
    primaries = transfer = 0
    source = "demo"
    address = None

    def __init__(self, num_frames: int = NUM_FRAMES) -> None:
        self.num_frames = num_frames

    def __enter__(self) -> DemoClip:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Do nothing, since nothing is held."""

    def __iter__(self) -> Iterator[Frame]:
        photo = Image.fromarray(read_image(DEMO_PHOTO))
        height, width = SIZE
        for index in range(self.num_frames):
            phase = 2 * math.pi * index / NUM_FRAMES
            shown = min(photo.height, photo.width * height / width)
            shown *= 0.85 - 0.15 * math.cos(phase)
            left = (photo.width - shown * width / height) * (0.5 + 0.5 * math.sin(phase))
            top = (photo.height - shown) * (0.5 + 0.5 * math.sin(2 * phase))
            box = (left, top, left + shown * width / height, top + shown)
            window = photo.resize((width, height), Image.Resampling.BILINEAR, box=box)
            yield Frame(index, index / FPS, np.array(window))
