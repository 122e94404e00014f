"""Training under Lightning: progress bar, checkpoint an epoch, resume, CSV log."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import lightning
import torch
from lightning.pytorch.callbacks import ModelCheckpoint, TQDMProgressBar, WeightAveraging
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor, nn

from edgeface.errors import InvalidInputError, ModelFormatError
from edgeface.face_model import FaceModel
from edgeface.reference.face_model.own import read_face_model
from edgeface.reference.networks import FusionNetwork, build_network
from edgeface.reference.networks.checkpoint import (
    KEY,
    TrainedNetwork,
    checkpoint_entry,
    load_network,
)
from edgeface.reference.networks.rebase import on_face_model
from edgeface.reference.training.checkpoints import LAST, PREVIOUS, WholeCheckpoints
from edgeface.reference.training.kinds import TRAINING
from edgeface.reference.training.loading import load_batches, unseen_expressions
from edgeface.reference.training.recipe import Recipe

WARMUP_STEPS = 200
FINAL_RATE = 0.01


class Training(lightning.LightningModule):
    """One network with its loss; a cosine decay after a short warm-up.

    Parameters
    ----------
    unseen : the expressions that the training data never shows, for the checkpoint

    Notes
    -----
    The paper divides the rate by ten after five flat epochs; a cosine of fixed length reaches the
    same end in a known time.
    """

    def __init__(self, recipe: Recipe, model: FaceModel, unseen: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.recipe, self.face_model, self.unseen = recipe, model, unseen
        network: Any = build_network(recipe.config)
        self.network = network.to(memory_format=torch.channels_last)
        self.loss = TRAINING[recipe.config.kind].loss(recipe, model)

    def _step(self, batch: dict[str, Tensor], stage: str) -> Tensor:
        outputs = tuple(branch.float() for branch in self.network(batch["image"]))
        # a landmark in bfloat16 would be half a per cent of a face off: losses stay in float32
        with torch.autocast(self.device.type, enabled=False):
            epoch = self.recipe.epochs_before + self.current_epoch
            total, parts = self.loss(outputs, batch, epoch)
        size = len(batch["image"])
        self.log(f"{stage}_loss", total, prog_bar=True, on_step=False, on_epoch=True,
                 batch_size=size)  # fmt: skip
        for name, value in parts.items():
            self.log(f"{stage}_{name}", value, prog_bar=name == "landmarks", on_step=False,
                     on_epoch=True, batch_size=size)  # fmt: skip
        return total

    def training_step(self, batch: dict[str, Tensor], _: int) -> Tensor:
        return self._step(batch, "train")

    def validation_step(self, batch: dict[str, Tensor], _: int) -> None:
        self._step(batch, "validation")

    def configure_optimizers(self) -> Any:
        optimiser = torch.optim.Adam(self.parameters(), self.recipe.learning_rate)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, learning_rate_factor(steps))
        return {
            "optimizer": optimiser,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def on_validation_start(self) -> None:
        torch.compiler.set_stance("force_eager")  # its last batch is smaller: not worth compiling

    def on_validation_end(self) -> None:
        torch.compiler.set_stance("default")

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint[KEY] = checkpoint_entry(
            self.recipe.config, self.recipe.to_dict(), self.face_model, self.unseen
        )


def learning_rate_factor(steps: int) -> Callable[[int], float]:
    """Linear warm-up, then a cosine from 1 to FINAL_RATE over ``steps``."""

    def factor(step: int) -> float:
        if step < WARMUP_STEPS:
            return (step + 1) / WARMUP_STEPS
        progress = min(1.0, (step - WARMUP_STEPS) / max(1, steps - WARMUP_STEPS))
        return FINAL_RATE + (1 - FINAL_RATE) * (1 + math.cos(math.pi * progress)) / 2

    return factor


def processes() -> int | Literal["auto"]:
    """Processes on this machine: those that torchrun started, or one a GPU."""
    started = os.environ.get("LOCAL_WORLD_SIZE")
    return int(started) if started else "auto"


def averaging(decay: float) -> WeightAveraging:
    """An exponential moving average of the weights that forgets its first steps soon."""

    def average(mean: Tensor, weight: Tensor, count: Tensor | int) -> Tensor:
        keep = min(decay, (1 + int(count)) / (10 + int(count)))
        return mean + (weight - mean) * (1 - keep)

    return WeightAveraging(avg_fn=average)


def train(
    recipe: Recipe,
    folder: Path,
    out: Path,
    start_from: Path | None = None,
    *,
    workers: int = 0,
    compiled: bool = False,
) -> Path:
    """Train a network, going on from ``out/last.ckpt`` if there is one.

    Parameters
    ----------
    folder : the data packs
    out : where the checkpoint (every epoch) and ``log/version_*/metrics.csv`` go
    start_from : a checkpoint, of another network even, whose weights a new run begins with
        wherever name and shape agree; identity in the modes of the default face model
    workers : processes that draw batches beside the one that learns; 0: it draws its own
    compiled : let ``torch.compile`` fuse the network first; takes two minutes on a CPU

    Returns
    -------
    Path of the last checkpoint.

    Raises
    ------
    InvalidInputError
        If the checkpoint there is of another network or another face model, or if the recipe's
        face model cannot be trained with.
    """
    # processes of one run start from the same weights, but must not draw the same views
    lightning.seed_everything(recipe.seed + int(getattr(rank_zero_only, "rank", 0)), verbose=False)
    last = out / LAST
    resumed = last.is_file()
    kind = TRAINING[recipe.config.kind]
    model = kind.prepare(read_face_model(recipe.face_model))
    if resumed:
        _check_fits(_load_last(out), recipe, model, last)
    learning, validating = (kind.read(recipe, model, folder, v) for v in (False, True))
    # Lightning's own save_last skips epochs in which the monitored loss did not improve
    checkpoints = [
        ModelCheckpoint(dirpath=out, filename="best", monitor="validation_loss",
                        enable_version_counter=False),
        ModelCheckpoint(dirpath=out, filename=Path(LAST).stem, enable_version_counter=False),
    ]  # fmt: skip
    trainer = lightning.Trainer(
        max_epochs=recipe.epochs,
        devices=processes(),
        precision=recipe.precision,
        accumulate_grad_batches=recipe.accumulate,
        callbacks=[*checkpoints, averaging(recipe.ema_decay), TQDMProgressBar(refresh_rate=10)],
        logger=CSVLogger(out, name="log"),  # a new version_N whenever the run goes on
        plugins=[WholeCheckpoints()],
        gradient_clip_val=5.0,
        num_sanity_val_steps=0,
        log_every_n_steps=10,
        enable_model_summary=False,
    )
    unseen = (n for n in unseen_expressions(learning.scores) if n in model.expression_names)
    training = Training(recipe, model, tuple(unseen))
    if start_from is not None and not resumed:
        start = on_face_model(load_network(start_from), model)
        copy_weights(start.network, training.network)
    if isinstance(training.network, FusionNetwork) and not recipe.correction and not resumed:
        training.network.leave_uncorrected()
    if compiled:
        training.network.compile(dynamic=False)
    trainer.fit(
        training,
        load_batches(learning, validation=False, workers=workers),
        load_batches(validating, validation=True, workers=workers),
        ckpt_path=last if resumed else None,
        weights_only=True,
    )
    return last


def _check_fits(earlier: TrainedNetwork, recipe: Recipe, model: FaceModel, last: Path) -> None:
    if earlier.config != recipe.config:
        raise InvalidInputError(f"{last} holds another network; choose another --out")
    if earlier.face_model.sha256 != model.sha256:
        raise InvalidInputError(f"{last} was trained with another face model; choose another --out")


def _load_last(out: Path) -> TrainedNetwork:
    """The checkpoint to go on from; a damaged one is an error that names the one before it."""
    try:
        return load_network(out / LAST)
    except ModelFormatError as error:
        if not (out / PREVIOUS).is_file():
            raise
        raise ModelFormatError(
            f"{error}. {out / PREVIOUS} holds the epoch before: rename it to {LAST} to go on there"
        ) from error


def copy_weights(source: nn.Module, target: nn.Module) -> int:
    """Copy what agrees in name and shape; how many tensors did."""
    there = target.state_dict()
    shapes = {name: weight.shape for name, weight in there.items()}
    same = {k: v for k, v in source.state_dict().items() if shapes.get(k) == v.shape}
    target.load_state_dict(there | same)
    return len(same)
