"""One run in two processes, under torchrun and gloo."""

import os
import subprocess
import sys

import pytest
import torch

from edgeface.reference.networks.checkpoint import load_network
from edgeface.reference.training.log import read_log

RUN = """
import sys
from dataclasses import replace
from pathlib import Path
from edgeface.reference.networks import CONFIGS
from edgeface.reference.training.recipe import Recipe
from edgeface.reference.training.train import train

CONFIGS["sfn"] = replace(CONFIGS["sfn"], stem_filters=16, squeeze=(16,) * 3, expand=(64,) * 3)
train(Recipe(network="sfn", epochs=1, batch_size=8), Path(sys.argv[1]), Path(sys.argv[2]))
"""


def run(script, packs, out, *launcher):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, *launcher, str(script), str(packs), str(out)]
    subprocess.run(command, check=True, env=environment, capture_output=True, timeout=500)


@pytest.mark.skipif(not torch.distributed.is_gloo_available(), reason="torch without gloo")
def test_two_processes_share_one_run(tiny_packs, tmp_path):
    script = tmp_path / "run.py"
    script.write_text(RUN)
    run(script, tiny_packs, tmp_path / "one")
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    run(script, tiny_packs, tmp_path / "two", *launcher)
    one, two = (
        torch.load(tmp_path / name / "last.ckpt", weights_only=True) for name in ("one", "two")
    )
    # each process takes half of the batches of every epoch
    assert one["global_step"] // 2 == two["global_step"]
    assert load_network(tmp_path / "two" / "last.ckpt").epoch == 0
    assert read_log(tmp_path / "two")["train_loss"][0] > 0
