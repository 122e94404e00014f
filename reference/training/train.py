"""Training under Lightning: a progress bar, a checkpoint every minute, resuming, a CSV log."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import signal
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import lightning
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, TQDMProgressBar
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor, nn

from edgeface.errors import InvalidInputError, ModelFormatError
from edgeface.face_model import FaceModel
from edgeface.output import check_place, make_folder
from edgeface.reference.face_model.own import read_face_model
from edgeface.reference.networks import build_network
from edgeface.reference.networks.cells import with_cell_range
from edgeface.reference.networks.checkpoint import (
    KEY,
    TrainedNetwork,
    checkpoint_entry,
    load_network,
)
from edgeface.reference.networks.personal import parts_of
from edgeface.reference.networks.rebase import on_face_model
from edgeface.reference.training.checkpoints import (
    LAST,
    PREVIOUS,
    WholeCheckpoints,
    check_free,
    check_resumable,
    claimed,
)
from edgeface.reference.training.distillation import looking_on
from edgeface.reference.training.kinds import TrainingKind, training_of
from edgeface.reference.training.loading import Split, load_batches, unseen_expressions
from edgeface.reference.training.recipe import Precision, Recipe
from edgeface.reference.training.schedule import ROUND_STEPS, Averaging, Budget, optimiser
from edgeface.reference.training.views.plan import Batch
from edgeface.values import Whole, option

log = logging.getLogger(__name__)

BFLOAT16 = ("avx512_bf16", "amx_bf16", "bf16")
"""What torch calls the instructions for it, on x86 and on ARM."""
MAX_WORKERS = 1000
DRAWN = "edgeface_drawn"
"""The entry of a checkpoint that says how many faces or photos a run has drawn."""


class Training(lightning.LightningModule):
    """A network with its loss, as Lightning trains it.

    Parameters
    ----------
    recipe : what the run does
    model : the face model whose coefficients the network learns to give
    unseen : the expressions that the training data never shows, for the checkpoint
    draws : how many faces or photos are drawn in an epoch of Eq. 3's tau, and for a batch of one
        process, in a run that counts minutes; None if the run counts epochs
    kind : how the network is trained; by default as its kind says

    Notes
    -----
    The paper divides the rate by ten after five flat epochs. A cosine (see `schedule`) reaches the
    same end in a known time.
    """

    def __init__(
        self,
        recipe: Recipe,
        model: FaceModel,
        unseen: tuple[str, ...] = (),
        draws: tuple[int, int] | None = None,
        kind: TrainingKind | None = None,
    ) -> None:
        super().__init__()
        self.draws, self.drawn = draws, 0
        self.recipe, self.face_model, self.unseen = recipe, model, unseen
        network: Any = build_network(recipe.config)
        self.network = network.to(memory_format=torch.channels_last)
        kind = kind or training_of(recipe.config.network_kind)
        self.loss = kind.loss(recipe, model)

    def _step(self, batch: dict[str, Tensor], stage: str) -> Tensor:
        outputs = tuple(branch.float() for branch in self.network(batch["image"]))
        # a landmark in bfloat16 would be half a per cent of a face off: losses stay in float32
        with torch.autocast(self.device.type, enabled=False):
            epoch = self.recipe.epochs_before + self._epoch()
            total, parts = self.loss(outputs, batch, epoch)
        size, together = len(batch["image"]), stage == "validation"
        self.log(f"{stage}_loss", total, prog_bar=True, on_step=False, on_epoch=True,
                 batch_size=size, sync_dist=together)  # fmt: skip
        for name, value in parts.items():
            self.log(f"{stage}_{name}", value, prog_bar=name == "landmarks", on_step=False,
                     on_epoch=True, batch_size=size, sync_dist=together)  # fmt: skip
        return total

    def _epoch(self) -> int:
        return self.current_epoch if self.draws is None else self.drawn // self.draws[0]

    def training_step(self, batch: dict[str, Tensor], _: int) -> Tensor:
        total = self._step(batch, "train")
        if self.draws is not None:
            self.drawn += self.draws[1] * self.trainer.world_size
        return total

    def validation_step(self, batch: dict[str, Tensor], _: int) -> None:
        self._step(batch, "validation")

    def configure_optimizers(self) -> Any:
        return optimiser(self.network, self.recipe.learning_rate)

    def on_validation_start(self) -> None:
        torch.compiler.set_stance("force_eager")  # its last batch is smaller: not worth compiling

    def on_validation_end(self) -> None:
        torch.compiler.set_stance("default")

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        # or every part of a run that is interrupted would learn from the views of the one before
        seed = self.recipe.seed + self.global_rank + checkpoint["global_step"]
        lightning.seed_everything(seed, verbose=False)
        if self.draws is not None:
            batches = checkpoint["global_step"] * self.recipe.accumulate * self.trainer.world_size
            # a run that counted epochs until now did not count this
            self.drawn = checkpoint.get(DRAWN) or batches * self.draws[1]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if not all(torch.isfinite(weight).all() for weight in self.network.state_dict().values()):
            raise InvalidInputError(
                f"weights are not finite after {self.global_step} steps, so they are not kept, and "
                "earlier checkpoints stay; lower the learning_rate, or train in 32-true precision"
            )
        checkpoint[DRAWN] = self.drawn
        checkpoint[KEY] = checkpoint_entry(
            self.recipe.config, self.recipe.to_dict(), self.face_model, self.unseen
        )


def processes() -> int | Literal["auto"]:
    """The number of processes on this machine: those that torchrun started, or one for each GPU."""
    started = os.environ.get("LOCAL_WORLD_SIZE")
    return int(started) if started else "auto"


def precision_here(precision: Precision) -> Precision:
    """A recipe's precision, as this machine has it.

    No CPU trains in float16, which Lightning takes for bfloat16. Without instructions for that, it
    takes five times as long as float32, and is less exact: then it is float32.
    """
    if precision == "32-true" or torch.accelerator.is_available():
        return precision
    supported = torch.cpu.get_capabilities()
    if any(supported.get(name) for name in BFLOAT16):
        return "bf16-mixed"
    log.info("training in float32: this CPU has no instructions for bfloat16")
    return "32-true"


class Drawing(Callback):
    """Draws each batch from its plan, on the device where the network learns from it.

    The splits are kept here, since the module is copied whole for its average.
    """

    def __init__(self, learning: Split, validating: Split) -> None:
        self.learning, self.validating = learning, validating

    def on_train_batch_start(
        self, trainer: lightning.Trainer, pl_module: Any, batch: Batch, batch_idx: int
    ) -> None:
        batch["image"] = self.learning.images(batch)

    def on_validation_batch_start(
        self, trainer: lightning.Trainer, pl_module: Any, batch: Batch, batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:  # fmt: skip
        batch["image"] = self.validating.images(batch)


def train(
    recipe: Recipe,
    folder: Path,
    out: Path,
    start_from: Path | None = None,
    *,
    workers: int = 0,
    compiled: bool = False,
    minutes: float | None = None,
    kind: TrainingKind | None = None,
    callbacks: Sequence[Callback] = (),
) -> Path:
    """Train a network, going on from ``out/last.ckpt`` if there is one.

    Parameters
    ----------
    recipe : what the run does
    folder : the folder of the data packs
    out : the folder for the checkpoints, written every epoch and every minute, and for
        ``log/version_*/metrics.csv``
    start_from : a checkpoint whose weights a new run begins with wherever name and shape agree. It
        may be of another network. Identities are turned to the modes of the recipe's face model.
    workers : the number of processes that plan batches; if it is 0, the one that learns plans them
    compiled : whether ``torch.compile`` fuses the network first, which takes two minutes on a CPU
    minutes : how long to learn, all parts of a resumed run together, instead of the recipe's
        epochs; the learning rate follows the clock
    kind : how the network is trained; by default as its kind says
    callbacks : more of Lightning's, before the others

    Returns
    -------
    The path of the last checkpoint.

    Raises
    ------
    InvalidInputError
        If ``out`` cannot be written to or another training writes to it, if the checkpoint in it is
        of another network or another face model or holds weights alone, if no weights of
        ``start_from`` agree, if the recipe's face model cannot be trained with, if ``minutes`` or
        ``workers`` is out of range, if the larger network to learn from
        has another grid, if a free run would open what the ledger of free sources lacks or use
        weights that are not free, or if the weights are no longer finite.
    """
    if minutes is not None and not 0 < minutes < math.inf:
        raise InvalidInputError(f"minutes of training must be more than 0, got {minutes}")
    option("workers", workers, Whole(0, MAX_WORKERS))
    make_folder(out)
    check_place(out / LAST)
    rank = int(getattr(rank_zero_only, "rank", 0))
    # the other processes of a run write nothing
    with claimed(out) if rank == 0 else contextlib.nullcontext():
        # they start from the same weights, but must not draw the same views
        lightning.seed_everything(recipe.seed + rank, verbose=False)
        return _train(recipe, folder, out, start_from, workers, compiled, minutes, kind, callbacks)


def _train(
    recipe: Recipe,
    folder: Path,
    out: Path,
    start_from: Path | None,
    workers: int,
    compiled: bool,
    minutes: float | None,
    kind: TrainingKind | None,
    callbacks: Sequence[Callback],
) -> Path:
    """`train` in a folder that is its own."""
    last = out / LAST
    resumed = last.is_file()
    start: TrainedNetwork | None = None
    kind = kind or training_of(recipe.config.network_kind)
    model = kind.prepare(read_face_model(recipe.face_model))
    if resumed:
        earlier = load_last(out)
        _check_fits(earlier, recipe, model, last)
        check_free(recipe, earlier, last, "go on with it")
    elif start_from is not None:
        start = load_network(start_from)
        check_free(recipe, start, start_from, "begin with it")
    larger = looking_on(recipe, model)
    learning, validating = (kind.read(recipe, model, folder, v) for v in (False, True))
    budget = Budget(recipe.learning_rate, minutes, last)
    trainer = lightning.Trainer(
        max_epochs=recipe.epochs if minutes is None else -1,
        devices=processes(),
        precision=precision_here(recipe.precision),
        accumulate_grad_batches=recipe.accumulate,
        callbacks=[
            *callbacks, Drawing(learning, validating), *larger, Averaging(recipe.ema_decay),
            budget, *_checkpoints(out), TQDMProgressBar(refresh_rate=10),
        ],
        logger=CSVLogger(out, name="log"),  # a new version_N whenever the run goes on
        plugins=[WholeCheckpoints()],
        gradient_clip_val=5.0,
        num_sanity_val_steps=0,
        log_every_n_steps=10,
        enable_model_summary=False,
    )  # fmt: skip
    timed = minutes is not None
    unseen = (n for n in unseen_expressions(learning.scores) if n in model.expression_names)
    draws = (len(learning.dataset), learning.batch_size) if timed else None
    training = Training(recipe, model, tuple(unseen), draws, kind)
    if start is not None:
        start = on_face_model(with_cell_range(start, recipe.config.cell_range), model)
        copied = sum(copy_weights(start.network, part) for part in parts_of(training.network))
        if not copied:
            raise InvalidInputError(
                f"no weights of {start_from} ({start.config.kind}) fit into a network of the kind "
                f"{recipe.config.kind}: begin with another checkpoint, or without one"
            )
        log.info("beginning with %d tensors of %s", copied, start_from)
    if recipe.config.network_kind.corrects_shape and not recipe.correction and not resumed:
        training.network.leave_uncorrected()
    if compiled:
        # on a GPU the launches bind a small network: they are recorded and replayed
        on_gpu = trainer.strategy.root_device.type == "cuda"
        mode = {"mode": "reduce-overhead"} if on_gpu else {}
        training.network.compile(dynamic=False, **mode)  # pyright: ignore[reportUnknownMemberType]
    log.info("training on %s", trainer.strategy.root_device)
    least = ROUND_STEPS * recipe.batch_size if timed else 0
    on_interrupt = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(
            training,
            load_batches(learning, validation=False, workers=workers, least=least),
            load_batches(validating, validation=True, workers=workers),
            ckpt_path=last if resumed else None,
            weights_only=True,
        )
    except SystemExit as error:  # what Lightning makes of Ctrl-C, and ignores it from then on
        signal.signal(signal.SIGINT, on_interrupt)
        raise KeyboardInterrupt from error
    return last


def _checkpoints(out: Path) -> list[ModelCheckpoint]:
    """What to write: the best and the last epoch, and the last minute."""

    def checkpoint(filename: str, **options: Any) -> ModelCheckpoint:
        return ModelCheckpoint(dirpath=out, filename=filename, enable_version_counter=False,
                               **options)  # fmt: skip

    # Lightning's own save_last skips epochs in which the monitored loss did not improve
    name = Path(LAST).stem
    return [
        checkpoint("best", monitor="validation_loss"),
        checkpoint(name),
        checkpoint(name, train_time_interval=timedelta(minutes=1)),
    ]


def _check_fits(earlier: TrainedNetwork, recipe: Recipe, model: FaceModel, last: Path) -> None:
    if earlier.config != recipe.config:
        raise InvalidInputError(f"{last} holds another network; choose another --out")
    if earlier.face_model.sha256 != model.sha256:
        raise InvalidInputError(f"{last} was trained with another face model; choose another --out")


def load_last(out: Path) -> TrainedNetwork:
    """Load the checkpoint to go on from; if it is damaged, the error names the one before it.

    Raises
    ------
    ModelFormatError
        If it is damaged or no checkpoint.
    InvalidInputError
        If it holds weights alone.
    """
    try:
        trained = load_network(out / LAST)
        check_resumable(out / LAST)
        return trained
    except ModelFormatError as error:
        if not (out / PREVIOUS).is_file():
            raise
        raise ModelFormatError(
            f"{error}. {out / PREVIOUS} holds the epoch before: rename it to {LAST} to go on there"
        ) from error


def copy_weights(source: nn.Module, target: nn.Module) -> int:
    """Copy the tensors that agree in name and shape, and return their number."""
    there = target.state_dict()
    shapes = {name: weight.shape for name, weight in there.items()}
    same = {k: v for k, v in source.state_dict().items() if shapes.get(k) == v.shape}
    target.load_state_dict(there | same)
    return len(same)
