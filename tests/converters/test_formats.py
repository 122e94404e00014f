"""Each format's files compute what the network computes, in their own runtime."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

import edgeface
from edgeface import InvalidInputError
from edgeface.compare import compare
from edgeface.converters import network_metadata
from edgeface.converters.verify import NetworkBackend, open_written, verify
from edgeface.model import Model
from edgeface.reference.networks.blocks import Context, Surroundings, normalise
from tests.export import THIN, exporter, untrained, write

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


def largest_difference(model, trained, inputs):
    with torch.inference_mode():
        expected = trained.network(torch.from_numpy(inputs))
    heads = model.infer(inputs)
    return max(
        float(np.abs(head - reference.numpy()).max())
        for head, reference in zip(heads.values(), expected, strict=True)
    )


def real_inputs(photo, size):
    """Parts of a photo, uint8 (8, size, size, 3)."""
    pixels = photo[0][1]
    return np.stack([pixels[100:, 100 * i :][:size, :size] for i in range(8)])


@pytest.mark.parametrize("name", THIN)
def test_onnx_takes_any_batch_of_any_network(name, face_model, tmp_path, random):
    trained = untrained(name, face_model)
    model = edgeface.load(write("onnx", trained, tmp_path / "net.onnx"))
    size = trained.config.input_size
    for batch in (1, 3):
        inputs = random.integers(0, 256, (batch, size, size, 3), np.uint8)
        assert largest_difference(model, trained, inputs) < 1e-4
    assert model.face_model.sha256 == face_model.sha256
    # means over places have an operator of their own; the gaze takes one over colours
    assert model.metadata.graph["operators"].get("ReduceMean", 0) == trained.config.gaze


@pytest.mark.parametrize("name", ["mfn", "mfn-single"])
def test_onnx_of_an_mfn_takes_other_sizes(name, face_model, tmp_path, random):
    trained = untrained(name, face_model)
    path = write("onnx", trained, tmp_path / "net.onnx")
    for size in (32, 64, 96):
        with pickle.loads(pickle.dumps(edgeface.load(path, input_size=size))).clone() as model:
            inputs = random.integers(0, 256, (2, size, size, 3), np.uint8)
            assert largest_difference(model, trained, inputs) < 1e-4
            assert model.infer(inputs)["pose"].shape == (2, *model.metadata.output_shape("pose"))


@pytest.mark.parametrize("size", [0, 48, -32])
def test_an_mfn_takes_multiples_of_32_only(size):
    with pytest.raises(InvalidInputError, match="a multiple of 32"):
        edgeface.load("mfn", input_size=size)


def test_other_files_name_the_size_that_they_take(onnx_file, tflite_file):
    assert edgeface.load(onnx_file, input_size=64).metadata.input_size == 64
    for path in (onnx_file, tflite_file):
        with pytest.raises(InvalidInputError, match="takes inputs of 64 px only"):
            edgeface.load(path, input_size=96)


def test_pt2_is_exact(pt2_file, sfn, inputs):
    assert largest_difference(edgeface.load(pt2_file), sfn, inputs) == 0


def test_tflite_has_no_transposes(tflite_file, sfn, inputs):
    model = edgeface.load(tflite_file)
    assert largest_difference(model, sfn, inputs) < 1e-4
    operators = model.metadata.graph["operators"]
    # the gaze has a few, in arithmetic on patches; those of all layers are gone or fused
    assert operators.get("TRANSPOSE", 0) <= 4
    assert operators.get("RELU", 0) <= 7
    assert "backbone.stem.0" in model.metadata.graph["layer_bytes"]


def test_fp16_of_several_upsampled_contexts_is_a_valid_file(face_model, tmp_path, random):
    trained = untrained("mfn", face_model)
    target = exporter("onnx")
    metadata = network_metadata(trained)
    model = target.lower(target.export(trained, metadata), "fp16", None)
    target.save(model, metadata, face_model, tmp_path / "mfn.onnx")
    size = trained.config.input_size
    inputs = random.integers(0, 256, (1, size, size, 3), np.uint8)
    loaded = edgeface.load(tmp_path / "mfn.onnx")
    assert 0 < largest_difference(loaded, trained, inputs) < 0.05


@pytest.mark.parametrize(
    ("name", "precision", "largest"),
    [("onnx", "fp16", 0.01), ("onnx", "w8", 0.05), ("onnx", "int8", 0.1),
     ("tflite", "fp16", 0.01), ("tflite", "w8", 0.05), ("tflite", "int8", 0.1)],
)  # fmt: skip
def test_lower_precisions_stay_near(name, precision, largest, sfn, photo, tmp_path, exported):
    target = exporter(name)
    inputs = real_inputs(photo, 64)
    model = target.lower(exported(name), precision, inputs)
    metadata = network_metadata(sfn)
    path = tmp_path / f"sfn{target.suffix}"
    target.save(model, metadata, sfn.face_model, path)
    difference = largest_difference(edgeface.load(path), sfn, inputs)
    assert 0 < difference < largest
    weights = sum(target.graph(model)["layer_bytes"].values())
    whole = sum(target.graph(exported(name))["layer_bytes"].values())
    assert weights < whole * (0.55 if precision == "fp16" else 0.6)


def test_pairs_of_products_in_int8_onnx_files_fit_into_16_bits(sfn, photo, exported):
    """Processors without VNNI add two products of uint8 and int8 in 16 bits, and saturate."""
    from onnx import numpy_helper

    model = exporter("onnx").lower(exported("onnx"), "int8", real_inputs(photo, 64))
    makers = {output: node for node in model.graph.node for output in node.output}
    values = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    layers = 0
    for node in (n for n in model.graph.node if n.op_type == "Conv"):
        image, weight = (makers.get(name) for name in node.input[:2])
        if image is not None and image.op_type == "DequantizeLinear":
            assert weight is not None
            assert 0 < np.abs(values[weight.input[0]].astype(int)).max() * 2 * 255 < 2**15
            layers += 1
    assert layers > 10


class Cells(torch.nn.Module):
    """A context and a head, as in an MFN."""

    def __init__(self):
        super().__init__()
        self.context = Context(3, 8, reach=7)
        hidden, last = torch.nn.Conv2d(8, 8, 1), torch.nn.Conv2d(8, 5, 1)
        self.head = torch.nn.Sequential(hidden, Surroundings(8, 7), last)
        for unit in (self.context.activate, self.head[1]):
            torch.nn.init.normal_(unit.around.weight)

    def forward(self, image):
        return self.head(self.context(normalise(image))).permute(0, 2, 3, 1)


def test_int8_tflite_sums_in_float32_before_outputs_of_cells(sfn, photo):
    """Sums of row slices there, rounded one by one, moved every face; a context's stay int8."""
    target = exporter("tflite")
    from ai_edge_litert.tools import flatbuffer_utils

    cells = replace(sfn, network=Cells().eval())
    exported = target.export(cells, network_metadata(sfn))
    lowered = target.lower(exported, "int8", real_inputs(photo, 64))
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(lowered))
    graph = model.subgraphs[0]
    makers = {made: operator for operator in graph.operators for made in operator.outputs}

    def kind(operator):
        return flatbuffer_utils.opcode_to_name(model, operator.opcodeIndex)

    def number_type(tensor):
        return graph.tensors[tensor].type

    in_float = []
    for output in graph.outputs:
        waiting = [makers[output]]
        while waiting:  # back to where int8 ends
            operator = waiting.pop()
            if kind(operator) == "DEQUANTIZE":
                source = operator.inputs[0]
                assert number_type(source) == flatbuffer_utils.schema_fb.TensorType.INT8
                # the hidden layer, or weights, which no operator makes
                assert source not in makers or kind(makers[source]) == "CONV_2D"
            else:
                in_float.append(kind(operator))
                waiting += [makers[i] for i in operator.inputs if i in makers]
    assert in_float.count("CONV_2D") == 1
    assert in_float.count("ADD") == in_float.count("DEPTHWISE_CONV_2D") == 3
    everywhere = [kind(operator) for operator in graph.operators]
    assert everywhere.count("DEPTHWISE_CONV_2D") == 6


@pytest.mark.parametrize(
    ("precision", "largest"), [("fp32", 1e-4), ("fp16", 0.02), ("int8", 0.1), ("palette", 0.5)]
)
def test_coreml_packages_compute_the_network(precision, largest, sfn, photo, tmp_path, exported):
    target = exporter("coreml")
    model = target.lower(exported("coreml"), precision, None)
    path = tmp_path / "sfn.mlpackage"
    target.save(model, network_metadata(sfn), sfn.face_model, path)
    difference = largest_difference(open_written(path), sfn, real_inputs(photo, 64)[:2])
    assert difference < largest
    assert (difference > 1e-5) == (precision != "fp32")
    assert sorted(p.name for p in path.iterdir()) == ["Data", "Manifest.json"]


@pytest.mark.parametrize("name", ["mfn-single", "mfn"])
def test_coreml_of_the_other_network_kind(name, face_model, photo, tmp_path):
    """MFNs: leaky ReLU, contexts that come up, grids of outputs; verified as `convert` does it."""
    trained = untrained(name, face_model)
    path = write("coreml", trained, tmp_path / "mfn.mlpackage")
    assert verify(trained, path, photo).values["detection max"] <= 1e-4


def test_tflite_and_onnx_agree_through_the_runtime(tflite_file, onnx_file, photo):
    a, b = edgeface.load(onnx_file), edgeface.load(tflite_file)
    assert compare(a, b, photo, "fp32").exceeded("fp32") == []


def test_network_backend_is_the_network(sfn, inputs):
    assert largest_difference(Model(NetworkBackend(sfn, network_metadata(sfn))), sfn, inputs) == 0
