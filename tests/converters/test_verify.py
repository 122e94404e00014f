"""Faults planted in finished files, one a test: verification must catch each."""

import json

import numpy as np
import pytest
import torch

from edgeface import MetadataError, ParityError
from edgeface.converters import network_metadata
from edgeface.converters.verify import verify
from edgeface.metadata import KEY
from tests.export import exporter, last_layers, untrained, write

onnx = pytest.importorskip("onnx", reason="converters need the extra: edgeface[convert]")

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


@pytest.fixture
def graph(onnx_file):
    return onnx.load(onnx_file)


def check(graph, trained, photo, tmp_path):
    for entry in graph.metadata_props:  # the fault shall show in what comes out
        if entry.key == KEY:
            values = json.loads(entry.value)
            values.pop("checksums", None)
            entry.value = json.dumps(values)
    onnx.save(graph, tmp_path / "planted.onnx")
    return verify(trained, tmp_path / "planted.onnx", photo)


def tensor(graph, name):
    return next(i for i in graph.graph.initializer if i.name == name)


def replace_values(initializer, values):
    initializer.CopyFrom(onnx.numpy_helper.from_array(values, initializer.name))


def test_verify_passes_the_clean_file(graph, sfn, photo, tmp_path):
    comparison = check(graph, sfn, photo, tmp_path)
    assert comparison.values["faces"] >= 1
    assert comparison.values["pose max"] < 1e-4


def test_verify_catches_one_changed_weight(graph, sfn, photo, tmp_path):
    weight = max(graph.graph.initializer, key=lambda i: np.prod(i.dims))
    values = onnx.numpy_helper.to_array(weight).copy()
    values.flat[np.abs(values).argmax()] *= 1.5
    replace_values(weight, values)
    with pytest.raises(ParityError, match="worst on the photo"):
        check(graph, sfn, photo, tmp_path)


def test_verify_of_large_logits_passes_rounding_and_catches_damage(face_model, photo, tmp_path):
    """A network that is sure of itself: its rounding is no fault, weights off by 0.1 % are one."""
    trained = untrained("sfn", face_model)
    with torch.no_grad():
        last_layers(trained.network)[1].weight *= 1000
    graph = onnx.load(write("onnx", trained, tmp_path / "large.onnx"))
    clean = check(graph, trained, photo, tmp_path)
    assert clean.magnitudes["expression"] > 100
    assert clean.values["expression max"] > 1e-4
    damaged = tensor(graph, "heads.1.3.weight")
    replace_values(damaged, onnx.numpy_helper.to_array(damaged) * np.float32(1.001))
    with pytest.raises(ParityError, match=r"expression max is .* worst on the photo"):
        check(graph, trained, photo, tmp_path)


def test_verify_catches_a_swapped_concat(graph, sfn, photo, tmp_path):
    node = next(n for n in graph.graph.node if n.op_type == "Concat")
    first, second = node.input
    node.input[0], node.input[1] = second, first
    with pytest.raises(ParityError, match="differs from its network"):
        check(graph, sfn, photo, tmp_path)


def test_verify_catches_a_wrong_normalisation(graph, sfn, photo, tmp_path):
    """128 where 127.5 belongs: half a grey level in the brightest pixels."""
    constants = [i for i in graph.graph.initializer if not i.dims]
    scale = next(i for i in constants if onnx.numpy_helper.to_array(i) == np.float32(127.5))
    replace_values(scale, np.array(128.0, np.float32))
    with pytest.raises(ParityError, match="differs from its network"):
        check(graph, sfn, photo, tmp_path)


def test_verify_catches_a_wrong_colour_order(graph, sfn, photo, tmp_path):
    stem = tensor(graph, "backbone.stem.0.weight")
    replace_values(stem, onnx.numpy_helper.to_array(stem)[:, ::-1].copy())
    with pytest.raises(ParityError, match="differs from its network"):
        check(graph, sfn, photo, tmp_path)


def test_verify_catches_missing_metadata(graph, sfn, photo, tmp_path):
    kept = [p for p in graph.metadata_props if p.key != KEY]
    del graph.metadata_props[:]
    graph.metadata_props.extend(kept)
    with pytest.raises(MetadataError, match="carries no metadata"):
        check(graph, sfn, photo, tmp_path)


def test_verify_catches_a_coreml_package_of_another_colour_order(sfn, exported, photo, tmp_path):
    target = exporter("coreml")
    import coremltools as ct

    metadata = network_metadata(sfn)
    model = target.lower(exported("coreml"), "fp32", None)
    target.save(model, metadata, sfn.face_model, tmp_path / "right.mlpackage")
    verify(sfn, tmp_path / "right.mlpackage", photo)
    spec = model.get_spec()
    image = spec.description.input[0].type.imageType
    image.colorSpace = image.BGR
    flipped = ct.models.MLModel(spec, weights_dir=model.weights_dir, skip_model_load=True)
    target.save(flipped, metadata, sfn.face_model, tmp_path / "flipped.mlpackage")
    with pytest.raises(ParityError, match="differs from its network"):
        verify(sfn, tmp_path / "flipped.mlpackage", photo)
