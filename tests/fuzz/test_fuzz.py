"""A seeded part of the fuzzing: whatever a file holds, only the project's own errors come out."""

import pytest

from tests.fuzz.targets import TARGETS
from tests.fuzz.trial import mutant, outcome_of

COUNTS = {
    "metadata": 600, "face model": 150, "image": 420, "onnx": 24, "tflite": 40, "pt2": 30,
    "recording": 100, "mapping": 200, "video": 60, "checkpoint": 30, "range": 100, "personal": 30,
    "character": 20, "recipe": 200, "coreml": 12,
}  # fmt: skip
NEEDS = {"tflite": "litert_torch", "pt2": "torch", "video": "av", "checkpoint": "torch",
         "character": "pygltflib", "recipe": "torch", "coreml": "coremltools"}  # fmt: skip
SEED = 20261129


@pytest.mark.filterwarnings("ignore")  # decoders and converters warn of what they like
@pytest.mark.parametrize("kind", TARGETS)
def test_mutants_end_in_errors_of_ours(kind, tmp_path, request):
    if kind in NEEDS:
        pytest.importorskip(NEEDS[kind], reason="needs the extras: edgeface[convert,video]")
    target = TARGETS[kind]
    if kind in ("tflite", "pt2"):  # other tests have exported them already
        seeds = [request.getfixturevalue(f"{kind}_file").read_bytes()]
    else:
        seeds = target.seeds(tmp_path)
    foreign = []
    for number in range(COUNTS[kind]):
        outcome, text = outcome_of(
            target, mutant(target, seeds, SEED, number), tmp_path / f"mutant{target.suffix}"
        )
        if outcome == "foreign":
            foreign.append(f"{number}: {text}")
    assert foreign == []


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["metadata", "face model", "image", "onnx"])
def test_seeds_are_sound(kind, tmp_path):
    target = TARGETS[kind]
    for seed in target.seeds(tmp_path):
        assert outcome_of(target, seed, tmp_path / f"seed{target.suffix}") == ("accepted", "")
