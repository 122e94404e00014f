"""Running a saved CoreML package without CoreML, operator by operator, in torch.

The package is read back from disk by coremltools' own reader, so that what is executed is what
was written. After every operator, values are rounded to the type that the program declares. This
checks the file, but not Apple's kernels.
"""

# the libraries here tell no types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import coremltools as ct
import numpy as np
import torch
from coremltools.converters.mil.frontend.milproto.load import load as read_program
from coremltools.converters.mil.mil import types
from torch import Tensor
from torch.nn import functional

from edgeface.backends.contents import read_contents
from edgeface.backends.coreml_package import read_package
from edgeface.errors import InferenceError, ModelFormatError
from edgeface.metadata import FACE_MODEL_KEY, KEY
from edgeface.types import Float32Array, ImageArray


class MilBackend:
    """A slow backend for checks on machines without CoreML."""

    def __init__(self, path: Path) -> None:
        entries, pieces = read_package(path)
        self.metadata, self.face_model = read_contents(
            path, entries.get(KEY), entries.get(FACE_MODEL_KEY), pieces
        )
        try:
            package: Any = ct.models.MLModel(str(path), skip_model_load=True)
            spec = package.get_spec()
            program = read_program(spec, spec.specificationVersion, package.weights_dir)
            (described,) = spec.description.input
            self._function = program.functions["main"]
            given = {output.name for output in self._function.outputs}
        except Exception as error:  # the reader raises whatever a damaged package makes it
            raise ModelFormatError(f"{path} is no readable CoreML package: {error}") from error
        if not given.issuperset(self.metadata.output_names):
            raise ModelFormatError(f"{path} has the outputs {sorted(given)}, and lacks others")
        self._check_input(path, described.type.imageType)

    def _check_input(self, path: Path, image: Any) -> None:
        size = self.metadata.input_size
        if (image.height, image.width) != (size, size):
            raise ModelFormatError(f"{path}: expected one image input of {size} x {size} pixels")
        self._flip = image.colorSpace != image.RGB  # the other colour order is BGR

    def infer(self, input_tensor: ImageArray) -> dict[str, Float32Array]:
        """Compute the raw outputs of a batch, uint8 (B, S, S, 3), by name."""
        with torch.inference_mode():
            found = [self._run(pixels) for pixels in input_tensor]
        return {n: np.concatenate([f[n] for f in found]) for n in self.metadata.output_names}

    def _run(self, pixels: ImageArray) -> dict[str, Float32Array]:
        ordered = pixels[..., ::-1] if self._flip else pixels
        planes = torch.from_numpy(ordered.copy()).permute(2, 0, 1)[None].float()
        values: dict[str, Any] = dict.fromkeys(self._function.inputs, planes)
        for operation in self._function.operations:
            if operation.op_type == "const":
                continue
            arguments = {k: _value(v, values) for k, v in operation.inputs.items()}
            function = OPERATORS.get(operation.op_type)
            if function is None:
                raise InferenceError(
                    f"the executor does not know the operator {operation.op_type!r}; it knows "
                    f"{', '.join(sorted(OPERATORS))}"
                )
            values[operation.outputs[0].name] = _rounded(
                function(arguments), operation.outputs[0].dtype
            )
        return {o.name: values[o.name].float().numpy() for o in self._function.outputs}


def _value(variable: Any, values: dict[str, Any]) -> Any:
    """The value of a variable: a constant, or what an earlier operator gave."""
    if isinstance(variable, (list, tuple)):
        return [_value(v, values) for v in variable]
    if variable.name in values:
        return values[variable.name]
    constant = variable.val
    if isinstance(constant, np.ndarray) and constant.dtype in (np.float16, np.float32):
        return torch.from_numpy(constant.astype(np.float32))
    return constant


def _rounded(value: Tensor, kind: Any) -> Tensor:
    """The value as its variable can hold it: arithmetic is float32, and fp16 loses some of it."""
    return value.half().float() if kind is types.fp16 else value


def _tensor(x: Any) -> Tensor:
    return x if isinstance(x, Tensor) else torch.tensor(np.float32(x))


def _padded(x: Tensor, a: dict[str, Any], kernel: tuple[int, ...], fill: float) -> Tensor:
    """Pad a picture; MIL's custom "pad" is (top, bottom, left, right)."""
    kind = a["pad_type"]
    if kind == "valid":
        return x
    if kind != "custom":
        raise InferenceError(f"the executor does not know the padding {kind!r} of {kernel}")
    top, bottom, left, right = (int(p) for p in a["pad"])
    return functional.pad(x, (left, right, top, bottom), value=fill)


def _conv(a: dict[str, Any]) -> Tensor:
    x = _padded(a["x"], a, tuple(a["weight"].shape[2:]), 0.0)
    return functional.conv2d(
        x, a["weight"], a.get("bias"), a["strides"].tolist(), 0, a["dilations"].tolist(),
        int(a["groups"]),
    )  # fmt: skip


def _max_pool(a: dict[str, Any]) -> Tensor:
    kernel = tuple(a["kernel_sizes"].tolist())
    x = _padded(a["x"], a, kernel, -torch.inf)
    return functional.max_pool2d(x, kernel, a["strides"].tolist(), ceil_mode=bool(a["ceil_mode"]))


def _matmul(a: dict[str, Any]) -> Tensor:
    x, y = (
        m.transpose(-1, -2) if a[f"transpose_{side}"] else m
        for side, m in (("x", _tensor(a["x"])), ("y", _tensor(a["y"])))
    )
    return x @ y


def _dequantize(a: dict[str, Any]) -> Tensor:
    """``scale (data - zero point)`` along one axis."""
    data = torch.from_numpy(np.asarray(a["quantized_data"])).float()
    shape = [1] * data.ndim
    scale = _tensor(a["scale"])
    if scale.ndim:
        shape[int(a["axis"])] = -1
    zero = torch.as_tensor(np.asarray(a["zero_point"])).float()
    return (data - zero.reshape(shape if zero.ndim else [1] * data.ndim)) * scale.reshape(shape)


def _from_palette(a: dict[str, Any]) -> Tensor:
    """Look values up in a table by indices of some bits each, packed low bits first."""
    table = _tensor(a["lut"]).flatten()
    bits = int(np.log2(len(table)))
    shape = tuple(int(n) for n in a["shape"])
    flat = np.unpackbits(np.asarray(a["indices"], np.uint8), bitorder="little")
    places = flat[: int(np.prod(shape)) * bits].reshape(-1, bits) @ (1 << np.arange(bits))
    return table[torch.from_numpy(places)].reshape(shape)


OPERATORS: dict[str, Callable[[dict[str, Any]], Tensor]] = {
    "add": lambda a: _tensor(a["x"]) + _tensor(a["y"]),
    "cast": lambda a: a["x"],
    "concat": lambda a: torch.cat(a["values"], dim=int(a["axis"])),
    "constexpr_affine_dequantize": _dequantize,
    "constexpr_lut_to_dense": _from_palette,
    "conv": _conv,
    "leaky_relu": lambda a: functional.leaky_relu(a["x"], float(a["alpha"])),
    "linear": lambda a: functional.linear(a["x"], a["weight"], a.get("bias")),
    "matmul": _matmul,
    "max_pool": _max_pool,
    "mul": lambda a: _tensor(a["x"]) * _tensor(a["y"]),
    "real_div": lambda a: _tensor(a["x"]) / _tensor(a["y"]),
    "reduce_mean": lambda a: a["x"].mean(a["axes"].tolist(), keepdim=bool(a["keep_dims"])),
    "relu": lambda a: torch.relu(a["x"]),
    "reshape": lambda a: a["x"].reshape(a["shape"].tolist()),
    "sigmoid": lambda a: torch.sigmoid(a["x"]),
    "sub": lambda a: _tensor(a["x"]) - _tensor(a["y"]),
    "transpose": lambda a: a["x"].permute(a["perm"].tolist()),
    "upsample_nearest_neighbor": lambda a: functional.interpolate(
        a["x"], scale_factor=(float(a["scale_factor_height"]), float(a["scale_factor_width"]))
    ),
}
"""The operators that coremltools writes for this project's networks."""
