"""How long a run lasts, and what depends on its progress: learning rates and averages."""

# torch has no public name for its updates of many tensors at once
# pyright: reportPrivateImportUsage=false, reportPrivateUsage=false

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, WeightAveraging
from torch import Tensor, nn

Tensors = tuple[Tensor, ...] | list[Tensor]

WARMUP_STEPS = 150
FINAL_RATE = 0.01
WEIGHT_DECAY = 0.02
"""The decay of matrices and filters; biases and the scales of normalisation have none."""
ROUND_STEPS = 600
"""The least number of steps between two validations in a run with a time budget."""


def learning_rate_factor(step: int, progress: float) -> float:
    """The factor of the learning rate: a linear warm-up times a cosine that ends at FINAL_RATE.

    Parameters
    ----------
    step : the number of the step, from 0
    progress : the share of the run that is over, in [0, 1]
    """
    cosine = (1 + math.cos(math.pi * min(progress, 1.0))) / 2
    return min(1.0, (step + 1) / WARMUP_STEPS) * (FINAL_RATE + (1 - FINAL_RATE) * cosine)


def optimiser(network: nn.Module, rate: float) -> torch.optim.Optimizer:
    """AdamW, in which only weights of more than one dimension decay."""
    weights = list(network.parameters())
    groups = [
        {"params": [w for w in weights if w.ndim > 1], "weight_decay": WEIGHT_DECAY},
        {"params": [w for w in weights if w.ndim <= 1], "weight_decay": 0.0},
    ]
    fused = all(w.device.type == "cuda" for w in weights)
    return torch.optim.AdamW(groups, lr=rate, fused=fused)


class Averaging(WeightAveraging):
    """An exponential moving average of the weights that forgets its first steps soon.

    After ``n`` steps the average keeps ``min(decay, (1 + n) / (20 + n))`` of itself.

    Notes
    -----
    Steps are counted here, since torch's own counter lies on the GPU, and reading it would wait for
    everything that the GPU still has to do.
    """

    def __init__(self, decay: float) -> None:
        super().__init__(multi_avg_fn=self._average)
        self.decay, self.steps = decay, 0

    def _average(self, means: Tensors, weights: Tensors, _: Tensor | int) -> None:
        if means[0].is_floating_point():
            keep = min(self.decay, (1 + self.steps) / (20 + self.steps))
            torch._foreach_lerp_(means, weights, 1 - keep)
        else:
            torch._foreach_copy_(means, weights)

    def on_train_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        super().on_train_start(trainer, pl_module)
        model = self._average_model
        assert model is not None
        model.n_averaged = model.n_averaged.cpu()

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.steps = trainer.global_step
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)


class Budget(Callback):
    """Sets the rate of every step, and ends a run when its minutes are over.

    Parameters
    ----------
    rate : the highest learning rate
    minutes : how long the run trains, all parts of a resumed one together; None if it ends with its
        last epoch
    last : the path of the checkpoint to write when the minutes are over

    Notes
    -----
    The minutes begin with the first step. All processes of a run follow the clock of the first.
    Without minutes, epochs are counted and not steps, of which there are others once a run goes on
    with another batch size or number of processes.
    """

    def __init__(self, rate: float, minutes: float | None, last: Path) -> None:
        self.rate, self.minutes, self.last = rate, minutes, last
        self.elapsed_s = 0.0  # in earlier parts of the run and up to the last step
        self.step_began: float | None = None

    def progress(self, trainer: lightning.Trainer) -> float:
        """The share of the run that is over."""
        if self.minutes is None:
            share = trainer.fit_loop.batch_idx / trainer.num_training_batches
            return (trainer.current_epoch + share) / (trainer.max_epochs or 1)
        over = self.elapsed_s / (60 * self.minutes)
        return trainer.strategy.broadcast(over) if trainer.world_size > 1 else over

    def on_train_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        if self.minutes is not None and self.progress(trainer) >= 1:
            trainer.should_stop = True

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        self.step_began = self.step_began or time.monotonic()
        factor = learning_rate_factor(trainer.global_step, self.progress(trainer))
        for group in trainer.optimizers[0].param_groups:
            group["lr"] = self.rate * factor

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        now = time.monotonic()
        self.elapsed_s += now - (self.step_began or now)
        self.step_began = now
        if self.minutes is not None and self.progress(trainer) >= 1:
            trainer.should_stop = True
            trainer.save_checkpoint(self.last)

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        self.step_began = None  # judging is not learning

    def state_dict(self) -> dict[str, Any]:
        return {"elapsed_s": self.elapsed_s}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.elapsed_s = float(state_dict["elapsed_s"])
