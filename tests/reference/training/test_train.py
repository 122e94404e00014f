"""One whole training, interrupted: packs -> checkpoint -> resume -> log -> plot -> file."""

import math
import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from edgeface.errors import InvalidInputError, ModelFormatError
from edgeface.reference.cli import main
from edgeface.reference.networks import CONFIGS, MultiFaceNetwork, build_network
from edgeface.reference.networks.checkpoint import SHIPPED, load_network
from edgeface.reference.networks.predict import predict_crop, predict_faces
from edgeface.reference.training import train as training
from edgeface.reference.training.distillation import looking_on
from edgeface.reference.training.log import plot_run, read_log
from edgeface.reference.training.recipe import Recipe
from edgeface.reference.training.schedule import Budget, learning_rate_factor
from edgeface.reference.training.train import copy_weights, precision_here, train

# thin networks: the plumbing is in question here; but with under 32 filters in a strided
# branch, the backward pass of torch 2.13 on the CPU corrupts the heap
SMALL = {
    "sfn": replace(CONFIGS["sfn"], stem_filters=16, squeeze=(16, 16, 16), expand=(64, 64, 64)),
    "mfn": replace(
        CONFIGS["mfn"], stem_filters=16, squeeze=(16,) * 4, expand=(64,) * 4, head_units=32
    ),
    "mfn-lean": replace(
        CONFIGS["mfn-lean"],
        stem_filters=8,
        squeeze=(16,) * 4,
        expand=(64,) * 4,
        head_units=16,
        cell_range=1.0,  # as that of the small mfn it learns from
    ),
}
pytestmark = [
    # of the libraries, about machines with more cores and about their own changes
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


def recipe(kind, **changes):
    return Recipe(network=kind, batch_size=8, **({"epochs": 1} | changes))


@pytest.fixture(autouse=True)
def small_networks(monkeypatch):
    for kind, config in SMALL.items():
        monkeypatch.setitem(CONFIGS, kind, config)
    monkeypatch.setattr("edgeface.reference.training.views.scenes.EPOCH_VIEWS", 16)


def test_the_rate_follows_epochs_whatever_the_batch_size_was():
    budget = Budget(1e-3, None, Path("last.ckpt"))
    epoch = {"current_epoch": 6, "max_epochs": 13, "global_step": 99_999}
    for batches in (10, 20):
        loop = SimpleNamespace(batch_idx=batches // 2)
        trainer = SimpleNamespace(**epoch, num_training_batches=batches, fit_loop=loop)
        assert budget.progress(trainer) == 0.5


def test_what_processes_judge_is_judged_together(face_model, monkeypatch):
    class Loss(torch.nn.Module):
        def forward(self, outputs, batch, epoch):
            return torch.ones(()), {"landmarks": torch.ones(())}

    kind = SimpleNamespace(loss=lambda *_: Loss())
    run = training.Training(recipe("sfn"), face_model, kind=kind)
    run.trainer = SimpleNamespace(current_epoch=0)
    told = {}
    monkeypatch.setattr(
        training.Training, "log", lambda _, name, value, **o: told.update({name: o["sync_dist"]})
    )
    batch = {"image": torch.zeros(1, 128, 128, 3, dtype=torch.uint8)}
    run.eval().validation_step(batch, 0)
    run.training_step(batch, 0)
    assert told == {"validation_loss": True, "validation_landmarks": True,
                    "train_loss": False, "train_landmarks": False}  # fmt: skip


def test_tau_of_a_run_by_the_clock_follows_what_was_drawn(face_model, monkeypatch):
    told = []  # the epoch of each step
    monkeypatch.setattr(training.Training, "_step", lambda self, *_: told.append(self._epoch()))
    for name in ("global_step", "global_rank"):
        monkeypatch.setattr(training.Training, name, 0, raising=False)

    def part(faces_a_batch, batches, checkpoint=None):
        run = training.Training(recipe("sfn"), face_model, draws=(100, faces_a_batch))
        run.trainer = SimpleNamespace(world_size=1)
        if checkpoint is not None:
            run.on_load_checkpoint(checkpoint)
        for _ in range(batches):
            run.training_step({}, 0)
        kept = {"global_step": 99_999}
        run.on_save_checkpoint(kept)
        return kept

    # with copies of faces, a batch of 8 views draws 4 faces
    part(50, 3, part(4, 50))
    assert told == [0] * 25 + [1] * 25 + [2] * 2 + [3]


@pytest.mark.parametrize("kind", ["sfn", "mfn"])
def test_training_goes_on_where_it_was_killed(tiny_packs, tmp_path, monkeypatch, kind):
    out = tmp_path / "run"
    last = train(recipe(kind), tiny_packs, out)
    first = load_network(last)
    assert first.epoch == 0
    assert first.config == SMALL[kind]
    assert first.recipe == recipe(kind).to_dict()

    real = training.Training.training_step
    seen = {}  # by epoch, the first views

    def watched(self, batch, index):
        seen.setdefault(self.current_epoch, batch["inverse"].clone())
        return real(self, batch, index)

    def killed(self, batch, index):
        if self.current_epoch == 2:
            raise KeyboardInterrupt
        return watched(self, batch, index)

    monkeypatch.setattr(training.Training, "training_step", killed)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(recipe(kind, epochs=4), tiny_packs, out)
    assert signal.getsignal(signal.SIGINT) is handler
    assert load_network(last).epoch == 1

    monkeypatch.setattr(training.Training, "training_step", watched)
    train(recipe(kind, epochs=4), tiny_packs, out)
    assert load_network(last).epoch == 3
    assert not torch.equal(seen[1], seen[2])  # each began a part of the run
    assert list(read_log(out)["train_loss"]) == [0, 1, 2, 3]
    with pytest.raises(InvalidInputError, match="holds another network"):
        train(recipe(f"{kind}-single"), tiny_packs, out)

    plot_run(out, tmp_path / "log.png")
    assert (tmp_path / "log.png").stat().st_size > 5000
    trained = load_network(last)
    image = np.full((128, 128, 3), 100, np.uint8)
    if kind == "sfn":
        assert len(predict_crop(trained, image)) == 1
    else:
        assert len(predict_faces(trained, image, 0.0, 1.0)) == 18 * 18 * 5


def test_what_a_training_cannot_begin_with_is_refused(tiny_packs, tmp_path):
    with pytest.raises(InvalidInputError, match="fit into a network of the kind sfn"):
        train(recipe("sfn"), tiny_packs, tmp_path, SHIPPED["fusion"])
    with pytest.raises(InvalidInputError, match="workers must be a whole number"):
        train(recipe("sfn"), tiny_packs, tmp_path, workers=-1)


def test_weights_that_are_not_finite_are_not_kept(face_model):
    network = training.Training(recipe("sfn"), face_model)
    with torch.no_grad():
        next(network.parameters()).fill_(math.nan)
    with pytest.raises(InvalidInputError, match="earlier checkpoints stay"):
        network.on_save_checkpoint({})


def test_sfn_trains_with_every_option(tiny_packs, tmp_path):
    options = {"turned": 0.5, "disentangle": 1.0, "accumulate": 2, "precision": "bf16-mixed"}
    train(recipe("sfn", **options), tiny_packs, tmp_path)
    log = read_log(tmp_path)
    assert log["train_disagreement"][0] > 0
    assert "validation_disagreement" not in log
    assert load_network(tmp_path / "last.ckpt").recipe["precision"] == "bf16-mixed"


def test_mfn_learns_from_a_larger_one_that_stays_as_it_is(tiny_packs, tmp_path):
    larger = train(recipe("mfn"), tiny_packs, tmp_path / "larger")
    distilled = recipe("mfn-lean", distil=str(larger), distil_weight=2.0, precision="bf16-mixed")
    last = train(distilled, tiny_packs, tmp_path / "lean")
    log = read_log(tmp_path / "lean")
    assert log["train_distance"][0] > 0
    assert "validation_distance" not in log
    trained = load_network(last)  # of the small one's tensors and no others
    assert trained.config == SMALL["mfn-lean"]
    assert trained.recipe["distil"] == "last.ckpt"


def test_a_network_cannot_learn_from_one_with_another_grid(tiny_packs, tmp_path):
    with pytest.raises(InvalidInputError, match="mfn-9x9 cannot learn from mfn"):
        train(recipe("mfn-9x9", distil="mfn"), tiny_packs, tmp_path)


def test_a_free_run_cannot_learn_from_weights_that_are_not_free(face_model):
    free = recipe("mfn-lean", distil="mfn", free=True, face_model="free")
    with pytest.raises(InvalidInputError, match="mfn was not learned in a free run"):
        looking_on(free, face_model)
    assert looking_on(replace(free, network="mfn-beside", distil="mfn-free"), face_model)
    assert looking_on(recipe("mfn-lean"), face_model) == []


@pytest.mark.parametrize("labels", ["sfn", "boxes"])
def test_mfn_trains_on_other_labels(tiny_packs, tmp_path, labels):
    train(recipe("mfn", labels=labels), tiny_packs, tmp_path)
    assert read_log(tmp_path)["train_loss"][0] > 0


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
@pytest.mark.parametrize(
    ("cpu", "expected"),
    [
        ({"avx2": True, "avx512_bf16": True}, "bf16-mixed"),
        ({"avx2": True, "avx512_bf16": False}, "32-true"),
        ({"neon": True, "bf16": True}, "bf16-mixed"),
        ({"neon": True, "bf16": False}, "32-true"),
    ],
)
def test_cpus_without_bfloat16_train_in_float32(cpu, expected, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: cpu)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    assert precision_here("bf16-mixed") == precision_here("16-mixed") == expected
    assert precision_here("32-true") == "32-true"
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    assert precision_here("bf16-mixed") == "bf16-mixed"


def test_mfn_trains_in_half_precision_with_a_worker_and_compiled(tiny_packs, tmp_path, monkeypatch):
    asked = []  # compiling takes minutes, and a C++ compiler

    def compile_later(module, **options):
        asked.append((type(module), options))

    monkeypatch.setattr(torch.nn.Module, "compile", compile_later)
    half = recipe("mfn", precision="bf16-mixed")
    last = train(half, tiny_packs, tmp_path, workers=1, compiled=True)
    assert asked == [(MultiFaceNetwork, {"dynamic": False})]
    assert math.isfinite(read_log(tmp_path)["validation_loss"][0])
    trained = load_network(last).network.state_dict()
    assert {weight.dtype for weight in trained.values()} == {torch.float32, torch.int64}


def test_a_run_can_begin_with_another_networks_weights(tiny_packs, tmp_path):
    first = train(recipe("sfn"), tiny_packs, tmp_path / "a")
    source = load_network(first).network
    target = build_network(CONFIGS["sfn-single"])  # wider in the stem, alike in the pose head
    before = {name: weight.clone() for name, weight in target.state_dict().items()}
    copied = copy_weights(source, target)
    after = target.state_dict()
    assert 0 < copied < len(before)
    stem, last = "backbone.stem.0.weight", "heads.2.3.weight"
    assert torch.equal(after[stem], before[stem])
    assert torch.equal(after[last], source.state_dict()[last])
    again = train(recipe("sfn", learning_rate=0.0), tiny_packs, tmp_path / "b", first)
    weight = load_network(again).network.state_dict()[stem]
    torch.testing.assert_close(weight, source.state_dict()[stem])


def test_strip_keeps_what_the_network_is(tiny_packs, tmp_path):
    last = train(recipe("sfn"), tiny_packs, tmp_path / "run")
    small = tmp_path / "small.ckpt"
    assert main(["strip", str(last), "--out", str(small)]) == 0
    assert small.stat().st_size < 0.5 * last.stat().st_size
    whole, alone = load_network(last), load_network(small)
    assert (alone.config, alone.recipe, alone.epoch) == (whole.config, whole.recipe, whole.epoch)
    for name, weight in whole.network.state_dict().items():
        assert torch.equal(alone.network.state_dict()[name], weight)


def test_strip_can_leave_out_the_gaze(tmp_path):
    assert main(["strip", "sfn", "--no-gaze", "--out", str(tmp_path / "blind.ckpt")]) == 0
    seeing, blind = load_network("sfn"), load_network(tmp_path / "blind.ckpt")
    assert (seeing.config.gaze, blind.config.gaze) == (True, False)
    image = torch.randint(0, 256, (1, 128, 128, 3), dtype=torch.uint8)
    with torch.no_grad():
        expected, given = seeing.network(image), blind.network(image)
    assert len(given) == len(expected) - 1
    for one, other in zip(expected, given, strict=False):
        assert torch.equal(one, other)


def test_learning_rate_warms_up_and_falls():
    assert learning_rate_factor(0, 0.0) == pytest.approx(1 / 150)
    assert learning_rate_factor(149, 0.0) == 1.0
    assert learning_rate_factor(5000, 0.5) == pytest.approx(0.505)
    assert learning_rate_factor(9000, 1.0) == pytest.approx(0.01)
    assert learning_rate_factor(9000, 1.1) == pytest.approx(0.01)


@pytest.mark.parametrize("kind", ["sfn", "mfn"])
def test_a_run_ends_with_its_minutes_and_is_not_begun_again(tiny_packs, tmp_path, kind):
    last = train(recipe(kind), tiny_packs, tmp_path, minutes=0.1)
    content = torch.load(last, weights_only=True)
    (spent,) = (v["elapsed_s"] for v in content["callbacks"].values() if "elapsed_s" in v)
    steps = content["global_step"]
    assert steps > 1
    assert 6 <= spent < 60
    rate = content["optimizer_states"][0]["param_groups"][0]["lr"]
    assert rate < 1e-3 * min(1.0, (steps + 1) / 150)
    train(recipe(kind), tiny_packs, tmp_path, minutes=0.1)
    assert torch.load(last, weights_only=True)["global_step"] == steps


def test_mfn_trains_at_several_sizes(tiny_packs, tmp_path, monkeypatch):
    monkeypatch.setattr("edgeface.reference.training.views.scenes.FIRST_SIZE_SHARE", 0.0)
    seen = []
    real = training.Training.training_step

    def step(self, batch, index):
        seen.append(tuple(batch["image"].shape))
        return real(self, batch, index)

    monkeypatch.setattr(training.Training, "training_step", step)
    train(recipe("mfn", sizes=[224, 384]), tiny_packs, tmp_path)
    # as many pixels a batch, whatever the size
    assert set(seen) <= {(13, 224, 224, 3), (4, 384, 384, 3)}
    assert len(seen) == 2


def test_load_network_names_an_absent_file(tmp_path):
    with pytest.raises(InvalidInputError, match="no such checkpoint"):
        load_network(tmp_path / "absent.ckpt")


@pytest.mark.parametrize("kind", ["text", "other", "cut", "empty"])
def test_load_network_rejects_other_files(tmp_path, kind):
    torch.save({"state_dict": {}}, tmp_path / "other.ckpt")
    whole = (tmp_path / "other.ckpt").read_bytes()
    contents = {"text": b"no checkpoint", "cut": whole[: len(whole) // 2], "empty": b""}
    if kind in contents:
        (tmp_path / "other.ckpt").write_bytes(contents[kind])
    with pytest.raises(ModelFormatError, match=r"no edgeface checkpoint"):
        load_network(tmp_path / "other.ckpt")


def test_load_network_executes_nothing(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "written"), "w"))

    torch.save({"edgeface": Evil()}, tmp_path / "evil.ckpt")
    with pytest.raises(ModelFormatError):
        load_network(tmp_path / "evil.ckpt")
    assert not (tmp_path / "written").exists()


def test_plot_run_without_a_log_is_an_error(tmp_path):
    with pytest.raises(InvalidInputError, match="no training log"):
        plot_run(tmp_path, tmp_path / "x.png")


LOG = b"epoch,step,train_loss,validation_loss\n0,10,1.0,\n0,10,,2.0\n"


def logged(folder, content, version="version_0"):
    place = folder / "log" / version
    place.mkdir(parents=True)
    (place / "metrics.csv").write_bytes(content)
    return folder


def test_a_row_that_was_cut_off_and_other_folders_are_left_out(tmp_path):
    logged(tmp_path, LOG + b"1,20")
    logged(tmp_path, b"mine", "version_old")
    assert read_log(tmp_path) == {"train_loss": {0: 1.0}, "validation_loss": {0: 2.0}}


@pytest.mark.parametrize(
    "content",
    [LOG + b"1,20,much,\n", LOG + b"1,2,3,4,5\n", LOG + b"\xff,1,1,1\n", LOG + b",1,1,1\n",
     b"step,train_loss\n1,2\n"],
    ids=["word", "long row", "no text", "no epoch", "no epochs"],
)  # fmt: skip
def test_a_damaged_log_is_named(tmp_path, content):
    with pytest.raises(InvalidInputError, match=r"metrics\.csv is no log of a training"):
        read_log(logged(tmp_path, content))


def test_command_line_reports_errors(tmp_path, capsys):
    assert main(["train", "sfn", "--data", str(tmp_path / "no"), "--out", str(tmp_path)]) == 1
    assert "does not exist" in capsys.readouterr().err
    assert main(["cost"]) == 0
    assert "multiply-adds" in capsys.readouterr().out


def test_a_folder_without_packs_is_named(tmp_path, capsys):
    arguments = ["train", "sfn", "--data", str(tmp_path), "--out", str(tmp_path / "out")]
    assert main(arguments) == 1
    said = capsys.readouterr().err
    assert "cannot open the data pack" in said
    assert "docs/how-to/train.md describes the packs" in said
