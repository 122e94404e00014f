"""Training under Lightning: progress bar, checkpoint an epoch, resume, CSV log."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint, TQDMProgressBar
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor
from torch.utils.data import DataLoader

from edgeface.errors import InvalidInputError
from edgeface.face_model import FaceModel, default_face_model
from edgeface.reference.checkpoint import KEY, describe, load_network
from edgeface.reference.config import NetworkConfig
from edgeface.reference.data.crops import CropBatches
from edgeface.reference.data.faces import read_faces
from edgeface.reference.data.photos import read_photos
from edgeface.reference.data.scenes import SceneBatches
from edgeface.reference.losses import FaceLoss, GridLoss
from edgeface.reference.networks import build_network

LAST = "last.ckpt"
WARMUP_STEPS = 200
FINAL_RATE = 0.01


@dataclass(frozen=True)
class TrainingPlan:
    """How long and how fast; the defaults are those of the shipped weights."""

    epochs: int
    batch_size: int
    learning_rate: float
    seed: int = 0


PLANS = {
    "sfn": TrainingPlan(epochs=24, batch_size=32, learning_rate=1e-3),
    "mfn": TrainingPlan(epochs=24, batch_size=16, learning_rate=1e-3),
}


class Training(lightning.LightningModule):
    """One network with its loss; a cosine decay after a short warm-up.

    Notes
    -----
    The paper divides the rate by ten after five flat epochs; a cosine of fixed length reaches the
    same end in a known time.
    """

    def __init__(self, config: NetworkConfig, model: FaceModel, plan: TrainingPlan) -> None:
        super().__init__()
        self.config, self.face_model, self.plan = config, model, plan
        network: Any = build_network(config)
        self.network = network.to(memory_format=torch.channels_last)
        is_sfn = config.kind == "sfn"
        self.loss = FaceLoss(model) if is_sfn else GridLoss(model, config.anchors)

    def _step(self, batch: dict[str, Tensor], stage: str) -> Tensor:
        outputs = self.network(batch["image"])
        if self.config.kind == "sfn":
            total, parts = self.loss(*outputs, batch, self.current_epoch)
        else:
            total, parts = self.loss(outputs, batch, self.current_epoch)
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
        optimiser = torch.optim.Adam(self.parameters(), self.plan.learning_rate)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, learning_rate_factor(steps))
        return {
            "optimizer": optimiser,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint[KEY] = describe(self.config, self.face_model)


def learning_rate_factor(steps: int) -> Callable[[int], float]:
    """Linear warm-up, then a cosine from 1 to FINAL_RATE over ``steps``."""

    def factor(step: int) -> float:
        if step < WARMUP_STEPS:
            return (step + 1) / WARMUP_STEPS
        progress = min(1.0, (step - WARMUP_STEPS) / max(1, steps - WARMUP_STEPS))
        return FINAL_RATE + (1 - FINAL_RATE) * (1 + math.cos(math.pi * progress)) / 2

    return factor


def train(config: NetworkConfig, plan: TrainingPlan, folder: Path, out: Path) -> Path:
    """Train a network, going on from ``out/last.ckpt`` if there is one.

    Parameters
    ----------
    folder : the data packs
    out : where the checkpoint (every epoch) and ``log/version_*/metrics.csv`` go

    Returns
    -------
    Path of the last checkpoint.

    Raises
    ------
    InvalidInputError
        If the checkpoint there is of another network.
    """
    lightning.seed_everything(plan.seed, verbose=False)
    last = out / LAST
    if last.is_file() and load_network(last).config != config:
        raise InvalidInputError(f"{last} holds another network; choose another --out")
    model = default_face_model()
    learning, validating = (
        _loader(config, model, folder, plan.batch_size, v) for v in (False, True)
    )
    checkpoints = ModelCheckpoint(dirpath=out, filename="best", monitor="validation_loss",
                                  save_last=True, enable_version_counter=False)  # fmt: skip
    trainer = lightning.Trainer(
        max_epochs=plan.epochs,
        callbacks=[
            checkpoints,
            EMAWeightAveraging(decay=0.998, use_buffers=True),
            TQDMProgressBar(refresh_rate=10),
        ],
        logger=CSVLogger(out, name="log"),  # a new version_N whenever the run goes on
        gradient_clip_val=5.0,
        num_sanity_val_steps=0,
        log_every_n_steps=10,
        enable_model_summary=False,
    )
    training = Training(config, model, plan)
    trainer.fit(training, learning, validating, ckpt_path=last if last.is_file() else None)
    return last


def _loader(
    config: NetworkConfig, model: FaceModel, folder: Path, batch_size: int, validation: bool
) -> DataLoader[dict[str, Tensor]]:
    if config.kind == "sfn":
        faces = read_faces(folder, model, validation)
        _report_skipped(faces.skipped)
        dataset: Any = CropBatches(faces, model, config.input_size, augment=not validation)
    else:
        photos, empty, skipped = read_photos(folder, model, validation)
        faces = read_faces(folder, model, validation)
        _report_skipped(skipped + faces.skipped)
        dataset = SceneBatches(photos, empty, faces, model, config.input_size, fixed=validation)
    return DataLoader(
        dataset,
        batch_size=batch_size,
        shuffle=not validation,
        drop_last=not validation,
        collate_fn=_as_is,
    )


def _as_is(batch: Any) -> dict[str, Tensor]:
    return batch


def _report_skipped(names: list[str]) -> None:
    if names:
        print(f"skipped {len(names)} corrupt images: {', '.join(names)}")
