"""Writing TFLite files by litert-torch, without TensorFlow."""

# the libraries here tell no types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import re
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import litert_torch
import numpy as np
import torch
from ai_edge_litert.tools import flatbuffer_utils
from ai_edge_quantizer import qtyping, recipe_manager
from ai_edge_quantizer.algorithm_manager import AlgorithmName
from ai_edge_quantizer.calibrator import Calibrator
from ai_edge_quantizer.quantizer import Quantizer
from ai_edge_quantizer.utils.qsv_utils import min_max_update

from edgeface.backends.checksums import sealed_json, stamped
from edgeface.backends.tflite_metadata import network_pieces
from edgeface.converters.depthwise import with_row_slices
from edgeface.converters.quiet import quietly
from edgeface.converters.summary import summary
from edgeface.face_model import FaceModel
from edgeface.kinds import NUM_GAZE
from edgeface.metadata import FACE_MODEL_KEY, KEY, Metadata
from edgeface.reference.networks.checkpoint import TrainedNetwork
from edgeface.types import ImageArray

INPUT = "image"
SIGNATURE = "serving_default"
WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
NARROWEST = 1e-3
"""A calibrated range below this is that of a channel that never fires (`_ranges`)."""
ALL = qtyping.TFLOperationName.ALL_SUPPORTED
_SCOPE = re.compile(r"[\w.]+\.[A-Z][A-Za-z0-9]*_(\w+)")  # "torch.nn.modules.conv.Conv2d_reduce"


class TfliteFormat:
    """TFLite files (`edgeface.converters.formats.Format`)."""

    name = "tflite"
    suffix = ".tflite"
    precisions = ("fp32", "fp16", "w8", "int8")
    """With fp16 and w8, weights alone are smaller; a CPU computes in float32."""
    calibrated = ("int8",)
    any_size = False

    def export(self, trained: TrainedNetwork, metadata: Metadata) -> bytes:
        """Export the network as a TFLite file of batch 1, channels last, batch norm folded."""
        size = metadata.input_size
        example = torch.zeros(1, size, size, 3, dtype=torch.uint8)
        with quietly("litert-torch"), tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.tflite"
            network = with_row_slices(trained.network)
            litert_torch.convert(network, (example,)).export(str(path))
            return path.read_bytes()

    def lower(self, exported: bytes, precision: str, calibration: ImageArray | None) -> bytes:
        """Make the file at a precision."""
        if precision == "fp32":
            return exported
        quantizer = Quantizer(bytearray(exported))
        ranges = None
        with quietly("ai-edge-quantizer"):
            if precision == "fp16":
                half = qtyping.TensorQuantizationConfig(
                    num_bits=16, dtype=qtyping.TensorDataType.FLOAT
                )
                config = qtyping.OpQuantizationConfig(
                    weight_tensor_config=half,
                    compute_precision=qtyping.ComputePrecision.FLOAT,
                    explicit_dequantize=True,
                )
                quantizer.update_quantization_recipe(".*", ALL, config, AlgorithmName.FLOAT_CASTING)
            elif precision == "w8":
                quantizer.add_weight_only_config(".*", ALL, num_bits=8)
            else:
                assert calibration is not None
                quantizer.add_static_config(".*", ALL, activation_num_bits=8, weight_num_bits=8)
                # these compute with float32 (docs/explanation/int8.md says why)
                model: Any = flatbuffer_utils.read_model_from_bytearray(bytearray(exported))
                makers = _makers(model.subgraphs[0])
                kept = _one_of({*_last_layers(model, makers), *_only_for_gaze(model, makers)})
                none = AlgorithmName.NO_QUANTIZE
                quantizer.update_quantization_recipe(kept, ALL, algorithm_key=none)
                for kind in WEIGHTED:
                    name = qtyping.TFLOperationName(kind)
                    quantizer.add_weight_only_config(kept, name, num_bits=8)
                output = qtyping.TFLOperationName.OUTPUT
                quantizer.update_quantization_recipe(".*", output, algorithm_key=none)
                ranges = _ranges(exported, quantizer, calibration)
            result: Any = quantizer.quantize(ranges)
            return bytes(result.quantized_model)

    def graph(self, content: bytes) -> dict[str, Any]:
        """Summarise operators and weights for the metadata."""
        model: Any = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
        kinds: Counter[str] = Counter()
        weights: Counter[str] = Counter()
        graph = model.subgraphs[0]
        for operator in graph.operators:
            kinds[str(flatbuffer_utils.opcode_to_name(model, operator.opcodeIndex))] += 1
            for index in operator.inputs:
                tensor = graph.tensors[index]
                data = model.buffers[tensor.buffer].data if index >= 0 else None
                if data is not None:
                    weights[_layer(tensor.name.decode())] += len(data)
        return summary(kinds, weights)

    def save(self, content: bytes, metadata: Metadata, face_model: FaceModel, path: Path) -> None:
        """Write the file with its metadata, whose names its tensors get."""
        model: Any = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
        graph, signature = model.subgraphs[0], model.signatureDefs[0]
        names = (INPUT, *metadata.output_names)
        for tensor in graph.tensors:  # the long names of Python classes are a tenth of an int8 file
            tensor.name = _layer(tensor.name.decode()).encode()
        # litert-torch numbers a signature's entries in the order of the network's
        for entry, name in zip([*signature.inputs, *signature.outputs], names, strict=True):
            graph.tensors[entry.tensorIndex].name = name.encode()
            entry.name = name.encode()
        schema: Any = flatbuffer_utils.schema_fb
        blobs = {KEY: sealed_json(metadata).encode(), FACE_MODEL_KEY: face_model.to_bytes()}
        for key, blob in blobs.items():
            buffer, entry = schema.BufferT(), schema.MetadataT()
            buffer.data = np.frombuffer(blob, np.uint8)
            entry.name, entry.buffer = key.encode(), len(model.buffers)
            model.buffers.append(buffer)
            model.metadata = [*(model.metadata or []), entry]
        file = bytes(flatbuffer_utils.convert_object_to_bytearray(model))
        path.write_bytes(stamped(file, network_pieces(file, path.name)))


FORMAT = TfliteFormat()


def _makers(graph: Any) -> dict[int, Any]:
    """The operator that writes each tensor that one writes."""
    return {index: operator for operator in graph.operators for index in operator.outputs}


def _last_layers(model: Any, makers: dict[int, Any]) -> list[str]:
    """The names of the tensors that the last layers write (as in `to_onnx`).

    Where an output is a picture, these are its last layer and all that lies between it and the
    convolution before: the sums of `RowSlices`, which int8 would round one by one.
    """
    graph = model.subgraphs[0]
    names: list[str] = []

    def kind(operator: Any) -> str:
        return str(flatbuffer_utils.opcode_to_name(model, operator.opcodeIndex))

    def before(operator: Any) -> list[Any]:
        return [makers[i] for i in operator.inputs if i in makers]

    for output in graph.outputs:
        came = [makers[output]]
        while len(came) == 1:
            (operator,) = came
            came = before(operator)
            if kind(operator) in WEIGHTED:
                made = graph.tensors[operator.outputs[0]]
                names.append(made.name.decode())
                if _is_picture(made):
                    break
        while _is_picture(graph.tensors[output]) and came:
            operator = came.pop()
            if kind(operator) != "CONV_2D":
                names.append(graph.tensors[operator.outputs[0]].name.decode())
                came += before(operator)
    return names


def _is_picture(tensor: Any) -> bool:
    """Whether a tensor has more than one place."""
    return len(tensor.shape) == 4 and max(tensor.shape[1:3]) > 1


def _only_for_gaze(model: Any, makers: dict[int, Any]) -> list[str]:
    """The names of the tensors that only the output ``gaze`` needs; none without it.

    They stay float32: places in the image are among them, which int8 would round to half pixels.
    """
    graph, signature = model.subgraphs[0], model.signatureDefs[0]
    needed: tuple[set[int], set[int]] = (set(), set())
    for entry in signature.outputs:
        # the names are not given yet; no other output has this shape
        is_gaze = list(graph.tensors[entry.tensorIndex].shape) == [1, NUM_GAZE]
        found, waiting = needed[is_gaze], [entry.tensorIndex]
        while waiting:
            index = waiting.pop()
            if index in makers and index not in found:
                found.add(index)
                waiting += [i for i in makers[index].inputs if i >= 0]
    return [graph.tensors[i].name.decode() for i in needed[1] - needed[0]]


def _one_of(names: set[str]) -> str:
    """A regular expression of the operators that write these tensors, for the quantizer."""
    return f"^({'|'.join(map(re.escape, sorted(names)))});"


def _ranges(content: bytes, quantizer: Quantizer, calibration: ImageArray) -> Any:
    """The least and the greatest value of every tensor over the calibration images.

    The quantizer's own moving average cuts off values that later images have
    (`docs/explanation/int8.md`). A tensor that is zero on all images would get a scale of nearly
    zero, which XNNPACK refuses; it gets a range of one instead, in which zero stays exact.
    """
    recipes = recipe_manager.RecipeManager()
    recipes.load_quantization_recipe(quantizer.get_quantization_recipe())
    calibrator = Calibrator(content, num_threads=1, qsv_update_func=min_max_update)
    # the name that litert-torch gave the input; the calibrator does not tell it
    interpreter: Any = calibrator._tfl_interpreter  # pyright: ignore[reportPrivateUsage]
    name = interpreter.get_signature_list()[SIGNATURE]["inputs"][0]
    calibrator.calibrate({SIGNATURE: [{name: image[None]} for image in calibration]}, recipes)
    ranges = calibrator.get_model_qsvs()
    for extremes in ranges.values():
        if "min" in extremes and np.max(extremes["max"]) - np.min(extremes["min"]) < NARROWEST:
            extremes["max"] = extremes["min"] + 1.0
    return ranges


def _layer(tensor: str) -> str:
    """The layer's path in the network, from litert-torch's "package.Class_name/...;..."."""
    scopes = [_SCOPE.findall(part) for part in tensor.split(";") if "/" in part]
    return ".".join(scopes[-1]) if scopes else tensor
