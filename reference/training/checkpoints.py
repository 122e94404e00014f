"""Writing Lightning's checkpoints to the disk so that none is ever lost."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO

from edgeface.output import keep_copy, make_folder, write_output

LAST = "last.ckpt"
PREVIOUS = "last.previous.ckpt"
"""The name of the checkpoint before the last, in case the disk loses the last."""


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
