"""Running the program in a ``.pt2`` archive, a list of known operators on tensors, one by one.

The graph is data. An operator is looked up in `OPERATORS`. An argument is a number, a tensor that
was made before, or a list of them. Anything else in a graph is refused. Symbolic sizes are not
needed, since every operator takes any batch; still, they are checked to be harmless, since somebody
may open the file in PyTorch.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edgeface.backends.pt2_archive import CONSTANTS_INDEX, PROGRAM, WEIGHTS, WEIGHTS_INDEX
from edgeface.errors import ModelFormatError

OPERATORS = (
    "add.Tensor", "batch_norm.default", "cat.default", "conv2d.default", "div.Tensor",
    "flatten.using_ints", "leaky_relu.default", "linear.default", "matmul.default",
    "max_pool2d.default", "mean.dim", "mul.Tensor", "permute.default", "relu.default",
    "reshape.default", "sigmoid.default", "sub.Tensor", "to.dtype", "upsample_nearest2d.vec",
)  # fmt: skip
"""The operators of ``torch.ops.aten`` that the project's networks consist of. Each returns a tensor
and has no other effect."""
_PREFIX = "torch.ops.aten."
_CHECK = _PREFIX + "_assert_tensor_metadata.default"
"""An operator without output: it states what the tensor before it was when it was exported."""

# numbers of types in PyTorch's schema of exported programs
_DTYPES = {1: "uint8", 5: "int64", 6: "float16", 7: "float32"}
_PLAIN: dict[str, tuple[type, ...]] = {
    "as_int": (int,), "as_float": (int, float), "as_bool": (bool,)
}  # fmt: skip
_LISTS: dict[str, tuple[type, ...]] = {"as_ints": (int,), "as_floats": (int, float)}

_SYMBOL = re.compile(r"Symbol\('s[0-9]+', positive=True, integer=True\)")
_ARITHMETIC = re.compile(r"[s0-9+\-*/() ]*")

Arguments = Callable[[dict[str, Any]], Any]


@dataclass(frozen=True)
class _Step:
    function: Any
    arguments: list[Arguments]
    named: dict[str, Arguments]
    output: str
    forget: tuple[str, ...]


class Program:
    """A network as a list of operators.

    Parameters
    ----------
    entries : the entries of the archive, which `read_archive` returned
    torch : the library
    source : the name of the file in errors

    Raises
    ------
    ModelFormatError
        If the graph or a weight is not as the project's converter writes it.
    """

    def __init__(self, entries: dict[str, bytes], torch: Any, source: str) -> None:
        self._torch = torch
        try:
            program = _object(entries, PROGRAM)
            graph_module = program["graph_module"]
            if program["guards_code"] or graph_module["graph"]["custom_obj_values"]:
                raise ModelFormatError("it holds code or objects besides its operators")
            if _object(entries, CONSTANTS_INDEX)["config"]:
                raise ModelFormatError("it holds constants besides its weights")
            tensors = self._read_weights(entries)
            self._weights: dict[str, Any] = self._bind_inputs(graph_module, tensors)
            self._outputs = _output_names(graph_module)
            self._steps = self._read_steps(graph_module["graph"]["nodes"])
        except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            reason = str(error) if isinstance(error, ModelFormatError) else repr(error)
            raise ModelFormatError(
                f"{source} is no .pt2 program of edgeface's converter, or is damaged: {reason}"
            ) from error

    def to(self, device: Any) -> None:
        """Move the weights to a device."""
        for name, weight in self._weights.items():
            self._weights[name] = weight.to(device)

    def __call__(self, image: Any) -> list[Any]:
        """Compute the outputs, in the order of the graph, of a tensor uint8 (B, S, S, 3)."""
        values = {**self._weights, self._input: image}
        for step in self._steps:
            arguments = [argument(values) for argument in step.arguments]
            named = {name: argument(values) for name, argument in step.named.items()}
            values[step.output] = step.function(*arguments, **named)
            for name in step.forget:
                del values[name]
        return [values[name] for name in self._outputs]

    def _read_weights(self, entries: dict[str, bytes]) -> dict[str, Any]:
        tensors: dict[str, Any] = {}
        for name, entry in _object(entries, WEIGHTS_INDEX)["config"].items():
            if entry["use_pickle"] is not False:
                raise ModelFormatError(f"the weight {name!r} is a pickle, which is never read")
            meta = entry["tensor_meta"]
            sizes, strides = _sizes(meta["sizes"]), _sizes(meta["strides"])
            dtype = getattr(self._torch, _DTYPES[meta["dtype"]])
            data = bytearray(entries[WEIGHTS + entry["path_name"]])
            (offset,) = _sizes([meta["storage_offset"]])
            last = sum((n - 1) * stride for n, stride in zip(sizes, strides, strict=True))
            available = len(data) // dtype.itemsize
            if math.prod(sizes) > available or offset + last >= available:
                raise ModelFormatError(f"the weight {name!r} is longer than its data")
            tensors[name] = self._torch.frombuffer(data, dtype=dtype).as_strided(
                sizes, strides, offset
            )
        return tensors

    def _bind_inputs(self, graph_module: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        """Bind the weights to their names in the graph; the one input that is left is the image."""
        weights: dict[str, Any] = {}
        images: list[str] = []
        for spec in graph_module["signature"]["input_specs"]:
            ((kind, entry),) = spec.items()
            if kind == "user_input":
                images.append(_text(entry["arg"]["as_tensor"]["name"]))
            elif kind in ("parameter", "buffer"):
                weights[_text(entry["arg"]["name"])] = tensors[entry[f"{kind}_name"]]
            else:
                raise ModelFormatError(f"it takes an input of the kind {kind!r}")
        (self._input,) = images
        return weights

    def _read_steps(self, nodes: Any) -> list[_Step]:
        known = {*self._weights, self._input}
        steps: list[_Step] = []
        last_use: dict[str, int] = {}
        for node in nodes:
            if node["target"] == _CHECK:
                continue
            used: list[str] = []
            plain: list[Arguments] = []
            named: dict[str, Arguments] = {}
            for entry in node["inputs"]:
                if entry["name"] == "training" and entry["arg"] != {"as_bool": False}:
                    raise ModelFormatError("it changes its weights while it runs")
                argument = self._argument(entry["arg"], known, used)
                if entry["kind"] == 1:
                    plain.append(argument)
                else:
                    named[_text(entry["name"])] = argument
            (output,) = node["outputs"]
            output = _text(output["as_tensor"]["name"])
            if output in known:
                raise ModelFormatError(f"it makes the tensor {output!r} twice")
            known.add(output)
            last_use |= dict.fromkeys(used, len(steps))
            last_use.setdefault(output, len(steps))
            steps.append(_Step(self._function(node["target"]), plain, named, output, ()))
        missing = [name for name in self._outputs if name not in known]
        if missing:
            raise ModelFormatError(f"nothing makes the output {missing[0]!r}")
        forget: dict[int, list[str]] = {}
        for name in last_use.keys() - self._outputs - self._weights.keys():
            forget.setdefault(last_use[name], []).append(name)
        return [
            _Step(s.function, s.arguments, s.named, s.output, tuple(forget.get(i, ())))
            for i, s in enumerate(steps)
        ]

    def _function(self, target: Any) -> Any:
        name = _text(target).removeprefix(_PREFIX)
        if not _text(target).startswith(_PREFIX) or name not in OPERATORS:
            raise ModelFormatError(
                f"it names the operator {target!r}; known are {', '.join(OPERATORS)}"
            )
        operator, _, overload = name.partition(".")
        return getattr(getattr(self._torch.ops.aten, operator), overload)

    def _argument(self, argument: Any, known: set[str], used: list[str]) -> Arguments:
        """A function that gives the argument when the program runs; its tensors join ``used``."""
        ((kind, value),) = argument.items()
        if kind == "as_tensor":
            name = _made(value, known)
            used.append(name)
            return lambda values: values[name]
        if kind == "as_tensors":
            names = [_made(entry, known) for entry in value]
            used.extend(names)
            return lambda values: [values[name] for name in names]
        constant = self._constant(kind, value)
        return lambda values: constant

    def _constant(self, kind: str, value: Any) -> Any:
        if kind == "as_none":
            return None
        if kind == "as_scalar_type":
            return getattr(self._torch, _DTYPES[value])
        if kind in _PLAIN and type(value) in _PLAIN[kind]:
            return value
        if kind in _LISTS and all(type(item) in _LISTS[kind] for item in value):
            return list(value)
        raise ModelFormatError(f"it has an argument of the kind {kind!r}")


def _object(entries: dict[str, bytes], name: str) -> Any:
    if name not in entries:
        raise ModelFormatError(f"it lacks the entry {name!r}")
    return json.loads(entries[name], object_hook=_harmless)


def _harmless(values: dict[str, Any]) -> dict[str, Any]:
    """Return a JSON object if its size expression is made of sums and products of symbols."""
    expression = values.get("expr_str")
    if expression is not None and not _ARITHMETIC.fullmatch(_SYMBOL.sub("s", _text(expression))):
        raise ModelFormatError(f"it has a size {expression[:60]!r}, which is no arithmetic")
    return values


def _sizes(values: Any) -> list[int]:
    sizes = [entry["as_int"] for entry in values]
    if any(type(size) is not int or size < 0 for size in sizes):
        raise ModelFormatError(f"a weight has the sizes {sizes}")
    return sizes


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ModelFormatError(f"expected a name, got {value!r}")
    return value


def _made(entry: Any, known: set[str]) -> str:
    name = _text(entry["name"])
    if name not in known:
        raise ModelFormatError(f"nothing makes the tensor {name!r} before it is used")
    return name


def _output_names(graph_module: Any) -> list[str]:
    names: list[str] = []
    for spec in graph_module["signature"]["output_specs"]:
        ((kind, entry),) = spec.items()
        if kind != "user_output":
            raise ModelFormatError(f"it has an output of the kind {kind!r}")
        names.append(_text(entry["arg"]["as_tensor"]["name"]))
    return names
