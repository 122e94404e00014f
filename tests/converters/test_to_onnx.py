from dataclasses import replace

import numpy as np
import pytest
import torch

import edgeface
from edgeface import ConversionError, InvalidInputError, ParityError
from edgeface.converters import convert, convert_to_onnx, describe
from edgeface.converters import to_onnx as module
from edgeface.reference.checkpoint import KEY, TrainedNetwork
from edgeface.reference.checkpoint import describe as checkpoint_entry
from edgeface.reference.config import CONFIGS
from edgeface.reference.networks import build_network

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
THIN = {
    "sfn": replace(CONFIGS["sfn"], stem_filters=8, squeeze=(4, 4, 4), expand=(8, 8, 8)),
    "sfn-single": replace(CONFIGS["sfn-single"], stem_filters=8, expand=(8, 8, 8)),
    "mfn": replace(CONFIGS["mfn"], stem_filters=8, squeeze=(4,) * 4, expand=(8,) * 4),
    "mfn-9x9": replace(CONFIGS["mfn-9x9"], stem_filters=8, squeeze=(4,) * 4, expand=(8,) * 4),
    "mfn-single": CONFIGS["mfn-single"],
}


def untrained(name, face_model):
    torch.manual_seed(0)
    return TrainedNetwork(THIN[name], build_network(THIN[name]).eval(), face_model, epoch=0)


@pytest.mark.parametrize("name", THIN)
def test_convert_to_onnx_runs_and_describes_itself(name, face_model, tmp_path, random):
    trained = untrained(name, face_model)
    size = trained.config.input_size
    samples = random.integers(0, 256, (3, size, size, 3), np.uint8)
    path = tmp_path / "net.onnx"
    written = convert_to_onnx(trained, describe(trained), path, samples)
    model = edgeface.load(path)
    assert model.metadata == written
    assert written.parity["samples"] == 3
    assert max(written.parity["max_abs_difference"].values()) < 1e-4
    assert model.face_model.sha256 == face_model.sha256
    batch = model._backend.infer(samples)
    with torch.inference_mode():
        expected = trained.network(torch.from_numpy(samples))
    for output, reference in zip(batch.values(), expected, strict=True):
        np.testing.assert_allclose(output, reference, atol=1e-4)


def test_convert_to_onnx_writes_nothing_without_parity(face_model, tmp_path, monkeypatch, random):
    trained = untrained("sfn-single", face_model)
    real = module._export

    def altered(*arguments):
        graph = real(*arguments)
        weight = max(graph.graph.initializer, key=lambda i: len(i.raw_data))
        data = np.frombuffer(weight.raw_data, np.float32).copy()
        data[: len(data) // 2] += 0.5
        weight.raw_data = data.tobytes()
        return graph

    monkeypatch.setattr(module, "_export", altered)
    samples = random.integers(0, 256, (1, 128, 128, 3), np.uint8)
    with pytest.raises(ParityError, match="differs from the network"):
        convert_to_onnx(trained, describe(trained), tmp_path / "net.onnx", samples)
    assert not (tmp_path / "net.onnx").exists()


def test_convert_wraps_the_exporters_errors(face_model, tmp_path, random):
    class Unexportable(torch.nn.Module):
        def forward(self, x):
            return tuple(torch.tensor(len(str(float(x.sum())))) for _ in range(3))

    trained = replace(untrained("sfn", face_model), network=Unexportable())
    samples = random.integers(0, 256, (1, 128, 128, 3), np.uint8)
    with pytest.raises(ConversionError, match="exporter failed"):
        convert_to_onnx(trained, describe(trained), tmp_path / "net.onnx", samples)


def test_convert_reads_checkpoints(face_model, tmp_path):
    trained = untrained("sfn-single", face_model)
    weights = {f"network.{k}": v for k, v in trained.network.state_dict().items()}
    content = {"state_dict": weights, "epoch": 6, KEY: checkpoint_entry(trained.config, face_model)}
    torch.save(content, tmp_path / "a.ckpt")
    with pytest.raises(InvalidInputError, match=r"ends in \.onnx"):
        convert(tmp_path / "a.ckpt", tmp_path / "a.xyz", [edgeface.DEMO_PHOTO])
    with pytest.raises(InvalidInputError, match="at least one image"):
        convert(tmp_path / "a.ckpt", tmp_path / "a.onnx", [])
    metadata = convert(tmp_path / "a.ckpt", tmp_path / "a.onnx", [edgeface.DEMO_PHOTO])
    assert metadata.training == {"epochs": 7}
