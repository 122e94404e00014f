"""Training under Lightning: progress bar, checkpoint an epoch, resume, CSV log."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, cast

import lightning
import torch
from lightning.pytorch.callbacks import ModelCheckpoint, TQDMProgressBar, WeightAveraging
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor, nn

from edgeface.errors import InvalidInputError, ModelFormatError
from edgeface.face_model import FaceModel, default_face_model
from edgeface.reference.geometry.harmonics import with_harmonics
from edgeface.reference.networks import FusionNetwork, build_network
from edgeface.reference.networks.checkpoint import KEY, TrainedNetwork, describe, load_network
from edgeface.reference.training.checkpoints import LAST, PREVIOUS, WholeCheckpoints
from edgeface.reference.training.loading import batches
from edgeface.reference.training.losses.faces import FaceLoss, disagreement
from edgeface.reference.training.losses.grid import GridLoss
from edgeface.reference.training.losses.unified import FusionLoss
from edgeface.reference.training.recipe import Recipe
from edgeface.reference.training.views.unified import unified_landmarks

WARMUP_STEPS = 200
FINAL_RATE = 0.01


class Training(lightning.LightningModule):
    """One network with its loss; a cosine decay after a short warm-up.

    Notes
    -----
    The paper divides the rate by ten after five flat epochs; a cosine of fixed length reaches the
    same end in a known time.
    """

    def __init__(self, recipe: Recipe, model: FaceModel) -> None:
        super().__init__()
        self.recipe, self.config, self.face_model = recipe, recipe.config, model
        config = recipe.config
        network: Any = build_network(config)
        self.network = network.to(memory_format=torch.channels_last)
        if config.kind == "fusion":
            self.loss = FusionLoss(model, unified_landmarks(recipe.databases))
        else:
            self.loss = FaceLoss(model) if config.kind == "sfn" else GridLoss(model, config)

    def _step(self, batch: dict[str, Tensor], stage: str) -> Tensor:
        outputs = tuple(branch.float() for branch in self.network(batch["image"]))
        # a landmark in bfloat16 would be half a per cent of a face off: losses stay in float32
        with torch.autocast(self.device.type, enabled=False):
            total, parts = self._loss(outputs, batch)
        size = len(batch["image"])
        self.log(f"{stage}_loss", total, prog_bar=True, on_step=False, on_epoch=True,
                 batch_size=size)  # fmt: skip
        for name, value in parts.items():
            self.log(f"{stage}_{name}", value, prog_bar=name == "landmarks", on_step=False,
                     on_epoch=True, batch_size=size)  # fmt: skip
        return total

    def _loss(
        self, outputs: tuple[Tensor, ...], batch: dict[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        epoch = self.recipe.epochs_before + self.current_epoch
        if self.config.kind == "mfn":
            return self.loss(outputs, batch, epoch)
        if self.config.kind == "fusion":
            identity, expression, correction, pose = outputs
            if not self.recipe.correction:
                correction = correction.detach()
            return self.loss(identity, expression, correction, pose, batch)
        total, parts = self.loss(*outputs, batch, epoch)
        if "copy_of" in batch:
            identity, expression, pose = outputs
            apart = disagreement(cast(FaceLoss, self.loss), (identity, expression, pose), batch)
            total = total + self.recipe.disentangle * apart
            parts["disagreement"] = apart.detach()
        return total, parts

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
        checkpoint[KEY] = describe(self.config, self.recipe.to_dict(), self.face_model)


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
        wherever name and shape agree
    workers : processes that draw batches beside the one that learns; 0: it draws its own
    compiled : let ``torch.compile`` fuse the network first; takes two minutes on a CPU

    Returns
    -------
    Path of the last checkpoint.

    Raises
    ------
    InvalidInputError
        If the checkpoint there is of another network.
    """
    # processes of one run start from the same weights, but must not draw the same views
    lightning.seed_everything(recipe.seed + int(getattr(rank_zero_only, "rank", 0)), verbose=False)
    last = out / LAST
    resumed = last.is_file()
    if resumed and _load_last(out).config != recipe.config:
        raise InvalidInputError(f"{last} holds another network; choose another --out")
    model = default_face_model()
    if recipe.config.kind == "fusion":
        model = with_harmonics(model)
    learning, validating = (batches(recipe, model, folder, v, workers) for v in (False, True))
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
    training = Training(recipe, model)
    if start_from is not None and not resumed:
        copy_weights(load_network(start_from).network, training.network)
    if isinstance(training.network, FusionNetwork) and not recipe.correction and not resumed:
        training.network.leave_uncorrected()
    if compiled:
        training.network.compile(dynamic=False)
    trainer.fit(training, learning, validating, ckpt_path=last if resumed else None,
                weights_only=True)  # fmt: skip
    return last


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
