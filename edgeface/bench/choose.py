"""Which file of a network that ships is the fastest on this device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

from edgeface.backends import can_run
from edgeface.errors import BackendUnavailableError
from edgeface.image import read_image
from edgeface.model import DEMO_PHOTO, Model, load
from edgeface.ready import SUFFIXES, ReadyFile, cached_ready, original_file, ready_files
from edgeface.timing import take_turns

ROUNDS = 30
CALLS_A_TURN = 3


@dataclass(frozen=True)
class Contender:
    """A file run by so many threads, and the quartiles of a pass over an image, in ms."""

    file: ReadyFile
    threads: int
    quartiles_ms: tuple[float, float, float]

    @property
    def line(self) -> str:
        """The command that writes the file, or the call that opens it as it ships."""
        network, form, precision = self.file.network, self.file.format, self.file.precision
        if self.file == original_file(network):
            return f'edgeface.load("{network}")'
        if (form, precision) == ("onnx", "int8"):
            return f'edgeface.load("{network}", precision="int8")'
        return f"edgeface export {network} --to {form} --precision {precision} --out ."


def choose(network: str, threads: list[int], rounds: int | None = None) -> list[Contender]:
    """Time every file of a network that this device runs, with each number of threads.

    Returns
    -------
    list of Contender
        The fastest first.

    Raises
    ------
    BackendUnavailableError
        If no engine that runs any of them is installed.

    Notes
    -----
    Files take turns, so that what else the device does slows all of them alike. A network that
    detects makes one pass over the demo photo; others look at one face in it.
    """
    files = [f for f in ready_files() if f.network == network and can_run(SUFFIXES[f.format])]
    if not files:
        raise BackendUnavailableError(
            f"no engine here runs a file of {network!r}; pip install 'edgeface[onnx]'"
        )
    calls = {
        (file, count): _pass(load(cached_ready(file), num_threads=count))
        for file, count in product(files, threads)
    }
    times = take_turns(calls, ROUNDS if rounds is None else rounds, calls_a_turn=CALLS_A_TURN)
    found = [Contender(*key, timing.quartiles_ms) for key, timing in times.items()]
    return sorted(found, key=lambda one: one.quartiles_ms[1])


def _pass(model: Model) -> Callable[[], object]:
    """One pass of a model over the demo photo."""
    image = read_image(DEMO_PHOTO)
    if model.metadata.detects:
        return lambda: model.run(image, detail="fast", look_again=False)
    height, width = image.shape[:2]
    box = [[0.4 * width, 0.4 * height, 0.6 * width, 0.6 * height]]
    return lambda: model.run(image, boxes_xyxy=box)
