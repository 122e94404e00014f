"""Packs, and the folding that lets the files of all formats hold the same numbers."""

import copy

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

import torch

from edgeface import ready
from edgeface.converters.fold import folded
from edgeface.converters.pack import pack
from edgeface.ready import piece_bytes, read_ready, ready_files


def test_files_come_out_of_a_pack_as_they_went_in(onnx_file, tmp_path, monkeypatch, random):
    """A made-up file: tensors of the ONNX file in several forms, and bytes of its own between."""
    import onnx
    from onnx import numpy_helper

    source = onnx_file.read_bytes()
    (tmp_path / "sfn.onnx").write_bytes(source)
    tensors = [t for t in onnx.load(onnx_file).graph.initializer if len(t.dims) == 4][:4]
    parts = [random.bytes(100)]
    for tensor, form in zip(tensors, ("<f4", "<f2", "int8", "int7"), strict=True):
        place = source.index(tensor.raw_data)
        parts += [piece_bytes(source, place, form, list(tensor.dims), [0, 2, 3, 1])]
        parts += [random.bytes(50)]
    assert numpy_helper.to_array(tensors[0]).transpose(0, 2, 3, 1).tobytes() == parts[1]
    content = b"".join(parts)
    (tmp_path / "sfn.tflite").write_bytes(content)
    pack(tmp_path / "sfn.onnx", [tmp_path / "sfn.tflite"], tmp_path / "sfn.ready.zip")
    assert (tmp_path / "sfn.ready.zip").stat().st_size < len(content) / 2
    monkeypatch.setattr(ready, "ASSETS", tmp_path)
    assert [f.name for f in ready_files()] == ["sfn.onnx", "sfn.tflite"]
    assert read_ready(ready_files()[1]) == {"sfn.tflite": content}


def test_weights_that_are_int8_in_both_files_are_kept_once(tmp_path, monkeypatch, random):
    from onnx import helper, numpy_helper

    weight = random.integers(-127, 128, (16, 8, 3, 3), np.int8)
    kept = numpy_helper.from_array(weight, "w")
    graph = helper.make_graph([], "g", [], [], initializer=[kept])
    (tmp_path / "mfn-w8.onnx").write_bytes(helper.make_model(graph).SerializeToString())
    content = b"before" + weight.transpose(0, 2, 3, 1).tobytes() + b"after"
    (tmp_path / "mfn-w8.tflite").write_bytes(content)
    pack(tmp_path / "mfn-w8.onnx", [tmp_path / "mfn-w8.tflite"], tmp_path / "mfn.ready.zip")
    assert (tmp_path / "mfn.ready.zip").stat().st_size < 600
    monkeypatch.setattr(ready, "ASSETS", tmp_path)
    assert [f.name for f in ready_files()] == ["mfn-w8.onnx", "mfn-w8.tflite"]
    assert read_ready(ready_files()[1]) == {"mfn-w8.tflite": content}


def test_folding_keeps_the_function_and_leaves_no_batch_norm(sfn):
    trained = copy.deepcopy(sfn)
    random = torch.Generator().manual_seed(5)
    for module in trained.network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for values in (module.running_mean, module.running_var, module.weight, module.bias):
                values.data = torch.rand(values.shape, generator=random) + 0.5
    size = sfn.config.input_size
    images = np.random.default_rng(1).integers(0, 256, (2, size, size, 3), np.uint8)
    whole = folded(trained)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in whole.network.modules())
    with torch.inference_mode():
        before, after = (n(torch.from_numpy(images)) for n in (trained.network, whole.network))
    for a, b in zip(before, after, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4 * float(a.abs().max()))
