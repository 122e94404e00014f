"""Running capture, inference and output at the same time, over bounded queues."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator

from edgeface.faces import Faces
from edgeface.video.channel import Channel, feed
from edgeface.video.reader import Frame

QUEUE_FRAMES = 4
"""How many pictures wait between two steps: enough to even out, few enough to stay current."""
JOIN_S = 2.0
"""How long to wait for a step that hangs in a camera or a network."""


def run_pipeline(
    frames: Iterable[Frame], update: Callable[[Frame], Faces], *, live: bool
) -> Generator[tuple[Frame, Faces], None, None]:
    """Yield every frame with its faces, while the next ones are read and inferred.

    Parameters
    ----------
    frames : the frames of a reader, which are read in a thread of their own
    update : the function that finds the faces of one frame. It is called for one frame after
        another, in a thread of its own.
    live : whether the oldest waiting frame is dropped rather than that the results fall behind;
        otherwise no frame is ever lost

    Raises
    ------
    EdgeFaceError
        If a step raised it; everything before is yielded first. Closing the generator, or an
        interrupt while it waits, stops the steps.
    """
    captured: Channel[Frame] = Channel(QUEUE_FRAMES, drop_oldest=live)
    inferred: Channel[tuple[Frame, Faces]] = Channel(QUEUE_FRAMES)

    def infer() -> Iterator[tuple[Frame, Faces]]:
        for frame in captured:
            yield frame, update(frame)

    steps = [
        threading.Thread(target=feed, args=(frames, captured), daemon=True, name="capture"),
        threading.Thread(target=feed, args=(infer(), inferred), daemon=True, name="inference"),
    ]
    for step in steps:
        step.start()
    try:
        yield from inferred
    finally:
        captured.abandon()
        inferred.abandon()
        for step in steps:
            step.join(JOIN_S)
