"""How Lightning's checkpoints come to the disk."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO

from edgeface.output import keep_copy, write_output

LAST = "last.ckpt"
PREVIOUS = "last.previous.ckpt"
"""The checkpoint of the epoch before the last, should the disk lose the last."""


class WholeCheckpoints(TorchCheckpointIO):
    """Writes each checkpoint beside its name, which it takes when it is whole and on the disk.

    Lightning's own way writes to the folder for temporary files and moves the result, which
    between two file systems copies it over the only good one.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        """Write a checkpoint; the one that was the last becomes the previous."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        content = io.BytesIO()
        torch.save(checkpoint, content)
        if target.name == LAST and target.is_file():
            keep_copy(target, target.with_name(PREVIOUS))
        write_output(target, content.getbuffer())
