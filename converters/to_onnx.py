"""Writing ONNX files."""

# the libraries here tell no types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import io
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from edgeface.backends.checksums import stamped
from edgeface.backends.contents import to_text
from edgeface.backends.onnx import network_pieces
from edgeface.converters.quiet import quietly
from edgeface.converters.summary import summary
from edgeface.face_model import FaceModel
from edgeface.metadata import Metadata
from edgeface.reference.networks.checkpoint import TrainedNetwork
from edgeface.types import ImageArray

OPSET = 18
INPUT = "image"
WEIGHTED = ("Conv", "Gemm")


class OnnxFormat:
    """ONNX files of opset 18 (`edgeface.converters.formats.Format`)."""

    name = "onnx"
    suffix = ".onnx"
    precisions = ("fp32", "fp16", "w8", "int8")
    calibrated = ("int8",)
    any_size = True

    def export(self, trained: TrainedNetwork, metadata: Metadata) -> onnx.ModelProto:
        """Export the network as an ONNX graph of any batch, batch norm folded."""
        size = metadata.input_size
        example = torch.zeros(2, size, size, 3, dtype=torch.uint8)
        buffer = io.BytesIO()
        with quietly("the ONNX exporter"):
            program: Any = torch.onnx.export(
                trained.network,
                (example,),
                dynamo=True,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=list(metadata.output_names),
                dynamic_shapes={INPUT: {0: torch.export.Dim("batch")}},
                external_data=False,
                verbose=False,
            )
            program.save(buffer)
        model = onnx.load_from_string(buffer.getvalue())
        # the exporter's notes on where in the source each node comes from
        for part in (model.graph, *model.graph.node, *model.graph.value_info):
            del part.metadata_props[:]
        _pool_by_operator(model)
        return model

    def lower(
        self, exported: onnx.ModelProto, precision: str, calibration: ImageArray | None
    ) -> onnx.ModelProto:
        """Make the graph at a precision."""
        if precision == "fp16":
            from onnxruntime.transformers.float16 import convert_float_to_float16

            with quietly("the conversion to fp16"):
                separate = _without_shared_scales(_copy(exported))
                halved = convert_float_to_float16(separate, keep_io_types=True)
            del halved.graph.value_info[:]  # some still say float32
            return halved
        if precision == "w8":
            return _quantize_weights(_copy(exported))
        if precision == "int8":
            assert calibration is not None
            left_out = {*_last_layers(exported), *_only_for(exported, "gaze")}
            nodes = [n.name for n in exported.graph.node if n.name not in left_out]
            # the layers left out compute in float32, from weights of int8 like all others
            return _quantize_weights(quantize(exported, calibration, nodes))
        return exported

    def graph(self, model: onnx.ModelProto) -> dict[str, Any]:
        """Summarise operators and weights for the metadata."""
        weights = Counter(
            {i.name: numpy_helper.to_array(i).nbytes for i in model.graph.initializer}
        )
        return summary(Counter(n.op_type for n in model.graph.node), weights)

    def save(
        self, model: onnx.ModelProto, metadata: Metadata, face_model: FaceModel, path: Path
    ) -> None:
        """Write the file with its metadata."""
        model = _copy(model)
        if metadata.any_size:
            _free_size(model)
        onnx.helper.set_model_props(model, to_text(metadata, face_model))
        onnx.checker.check_model(model, full_check=True)
        content = model.SerializeToString()
        path.write_bytes(stamped(content, network_pieces(content)))


FORMAT = OnnxFormat()


def _pool_by_operator(model: onnx.ModelProto) -> None:
    """Turn means over all places into GlobalAveragePool, for which ONNX Runtime has fast kernels.

    The exporter writes ReduceMean, which took two fifths of an MFN's time in int8.
    """
    constants = {i.name: i for i in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "ReduceMean":
            axes = numpy_helper.to_array(constants[node.input[1]]).tolist()
            kept = [a.i for a in node.attribute if a.name == "keepdims"]
            if sorted(axis % 4 for axis in axes) == [2, 3] and kept in ([], [1]):
                node.op_type = "GlobalAveragePool"
                del node.input[1:], node.attribute[:]
    used = {name for node in model.graph.node for name in node.input}
    unused = [i for i in model.graph.initializer if i.name not in used]
    for initializer in unused:
        model.graph.initializer.remove(initializer)


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def _free_size(model: onnx.ModelProto) -> None:
    """Let the input have any height and width, on which nothing in an MFN's graph depends."""
    for value, names in [
        *((value, ("height", "width")) for value in model.graph.input),
        *((value, ("rows", "columns")) for value in model.graph.output),
    ]:
        for side, name in zip(value.type.tensor_type.shape.dim[1:3], names, strict=True):
            side.dim_param = name
    del model.graph.value_info[:]


def _without_shared_scales(model: onnx.ModelProto) -> onnx.ModelProto:
    """Give every Resize constants of its own, since the conversion to fp16 casts them for each."""
    constants = {i.name: i for i in model.graph.initializer}
    for number, node in enumerate(n for n in model.graph.node if n.op_type == "Resize"):
        for position, name in enumerate(node.input):
            if name in constants:
                own = model.graph.initializer.add()
                own.CopyFrom(constants[name])
                own.name = node.input[position] = f"{name}_{number}"
    return model


def _quantize_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Turn weights into int8, with a scale for each output channel; arithmetic stays float32."""
    weights = {n.input[1] for n in model.graph.node if n.op_type in WEIGHTED}
    kept = [i for i in model.graph.initializer if i.name not in weights]
    for initializer in [i for i in model.graph.initializer if i.name in weights]:
        values = numpy_helper.to_array(initializer)
        largest = np.abs(values).reshape(len(values), -1).max(axis=1)
        scale = np.maximum(largest / 127, np.finfo(np.float32).tiny).astype(np.float32)
        rows = scale.reshape(-1, *[1] * (values.ndim - 1))
        name = initializer.name
        kept += [
            numpy_helper.from_array(np.rint(values / rows).astype(np.int8), f"{name}_int8"),
            numpy_helper.from_array(scale, f"{name}_scale"),
        ]
        node = onnx.helper.make_node(
            "DequantizeLinear", [f"{name}_int8", f"{name}_scale"], [name], axis=0
        )
        model.graph.node.insert(0, node)
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    return model


def layers(model: onnx.ModelProto) -> list[str]:
    """The names of the nodes that have weights, in the order of the graph."""
    return [node.name for node in model.graph.node if node.op_type in WEIGHTED]


def quantize(model: onnx.ModelProto, calibration: ImageArray, nodes: list[str]) -> onnx.ModelProto:
    """Compute some nodes in int8, by nodes that quantise and dequantise.

    Weights have a scale for each channel and 7 bits, and activations are uint8. Processors without
    VNNI add two products of 8 bits in 16 bits, which overflow; those of 7 and 8 bits do not. Ranges
    are the extremes over the calibration images; `docs/explanation/int8.md` has the measurements
    behind this, and behind the choice of nodes that stay float32 in an int8 file.
    """
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.images = iter(calibration)

        def get_next(self) -> Any:
            image = next(self.images, None)
            return None if image is None else {INPUT: image[None]}

    with tempfile.TemporaryDirectory() as folder, quietly("ONNX Runtime's quantisation"):
        target = Path(folder) / "int8.onnx"
        quantize_static(
            _copy(model),
            target,
            Reader(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            nodes_to_quantize=nodes,
        )
        quantized = onnx.load(target)
    del quantized.graph.value_info[:]  # derived by shape inference, and a tenth of the file
    return quantized


def _last_layers(model: onnx.ModelProto) -> list[str]:
    """The names of the nodes from the last layer that makes a picture to the outputs.

    On the way back from the outputs, a node with several inputs is an end too.
    """
    makers = {output: node for node in model.graph.node for output in node.output}
    pictures = _pictures(model)
    names: list[str] = []
    for output in model.graph.output:
        came: list[onnx.NodeProto] = [makers[output.name]]
        while len(came) == 1:
            (node,) = came
            names.append(node.name)
            if node.op_type in WEIGHTED and node.output[0] in pictures:
                break
            came = [makers[i] for i in node.input if i in makers]
    return list(dict.fromkeys(names))


def _only_for(model: onnx.ModelProto, output: str) -> list[str]:
    """The names of the nodes that one output needs and no other: of none if there is no such one.

    For the gaze, places in the image are computed there, which int8 would round to half pixels.
    """
    makers = {made: node for node in model.graph.node for made in node.output}
    needed: dict[bool, dict[str, None]] = {True: {}, False: {}}
    for value in model.graph.output:
        names, waiting = needed[value.name == output], [value.name]
        while waiting:
            node = makers.get(waiting.pop())
            if node is not None and node.name not in names:
                names[node.name] = None
                waiting += node.input
    return [name for name in needed[True] if name not in needed[False]]


def _pictures(model: onnx.ModelProto) -> set[str]:
    """The names of the values that have more than one place."""
    inferred = onnx.shape_inference.infer_shapes(model).graph.value_info
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in inferred}
    return {name for name, shape in shapes.items() if any(side > 1 for side in shape[2:])}
