"""Checkpoints of training: which ones a run may use, and writing them so that none is lost."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Generator
from pathlib import Path
from typing import Any

import filelock
import torch
from lightning.fabric.plugins import TorchCheckpointIO

from edgeface.errors import InvalidInputError
from edgeface.output import keep_copy, make_folder, write_output
from edgeface.reference.networks.checkpoint import TrainedNetwork
from edgeface.reference.training.recipe import Recipe

LAST = "last.ckpt"
PREVIOUS = "last.previous.ckpt"
"""The name of the checkpoint before the last, in case the disk loses the last."""


LOCK = ".training.lock"
"""The file that a training locks in the folder that it writes to; it may stay when it ends."""


@contextlib.contextmanager
def claimed(out: Path) -> Generator[None, None, None]:
    """Let no other training write to a folder; the system ends the claim of a process that dies.

    Raises
    ------
    InvalidInputError
        If another training writes to it.
    """
    lock = filelock.FileLock(out / LOCK, timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise InvalidInputError(
            f"another training writes to {out}; wait for its end, or choose another --out"
        ) from error
    try:
        yield
    finally:
        lock.release()


class WholeCheckpoints(TorchCheckpointIO):
    """Writes each checkpoint beside its name and gives it the name once it is whole on the disk.

    Lightning itself writes to the folder for temporary files and moves the result. Between two file
    systems, that copies it over the only good checkpoint.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        """Write a checkpoint; the last one becomes the previous one."""
        target = Path(path)
        make_folder(target.parent)
        content = io.BytesIO()
        torch.save(checkpoint, content)
        if target.name == LAST and target.is_file():
            keep_copy(target, target.with_name(PREVIOUS))
        write_output(target, content.getbuffer())


def check_resumable(path: Path) -> None:
    """Refuse a checkpoint of weights alone, which training cannot go on from.

    Raises
    ------
    InvalidInputError
        If it is one.
    """
    content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    if "optimizer_states" not in content:
        raise InvalidInputError(
            f"{path} holds weights alone, as `edgeface-train strip` writes them: no training goes "
            "on from it. Begin a new one with these weights: --from, and another --out"
        )


def check_free(recipe: Recipe, trained: TrainedNetwork, source: object, use: str) -> None:
    """Refuse weights that were not learned in a free run, if the recipe's run is free.

    Parameters
    ----------
    source : where the weights are from
    use : what the run would do with them, for the error

    Raises
    ------
    InvalidInputError
        If a free run would use weights that are not free.
    """
    if recipe.free and not trained.is_free:
        raise InvalidInputError(
            f"{source} was not learned in a free run, so a free run cannot {use}"
        )
