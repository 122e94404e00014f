"""Writing CoreML packages, ``.mlpackage``."""

# the libraries here tell no types
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import coremltools as ct
import coremltools.optimize.coreml as cto
import numpy as np
import torch
from coremltools.converters.mil.frontend.milproto.load import load as read_program
from torch import Tensor, nn

from edgeface.backends.checksums import stamped
from edgeface.backends.contents import to_text
from edgeface.backends.coreml_package import MODEL, network_pieces
from edgeface.converters.quiet import quietly
from edgeface.converters.summary import summary
from edgeface.face_model import FaceModel
from edgeface.metadata import Metadata
from edgeface.reference.networks.checkpoint import TrainedNetwork
from edgeface.types import ImageArray

PALETTE_BITS = 6

DEBUG_TABLE = "executorch_debug_handle_mapping.json"
"""A table for debuggers that coremltools puts beside the model: a sixteenth of the package."""


class _FromPlanes(nn.Module):
    """The network behind CoreML's RGB images, which are float planes (1, 3, S, S) of 0..255."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Any:
        return self.network(image.permute(0, 2, 3, 1))


class CoremlFormat:
    """CoreML's packages (`edgeface.converters.formats.Format`)."""

    name = "coreml"
    suffix = ".mlpackage"
    precisions = ("fp32", "fp16", "int8", "palette")
    """With int8 and palettes, weights alone are smaller; arithmetic is fp16."""
    calibrated = ()
    any_size = False

    def export(self, trained: TrainedNetwork, metadata: Metadata) -> Any:
        """Export the network as a torch program."""
        size = metadata.input_size
        with quietly("torch.export"):
            module = _FromPlanes(trained.network).eval()
            program = torch.export.export(module, (torch.zeros(1, 3, size, size),))
            program = program.run_decompositions({})
        for node in program.graph.nodes:
            # coremltools needs the stride, which torch leaves out where it is the kernel's size
            if node.target == torch.ops.aten.max_pool2d.default and len(node.args) == 2:
                node.args = (*node.args, node.args[1])
        return program, metadata

    def lower(self, exported: Any, precision: str, calibration: ImageArray | None) -> Any:
        """Make the model at a precision."""
        program, metadata = exported
        shape = (1, 3, metadata.input_size, metadata.input_size)
        with quietly("coremltools"):
            model: Any = ct.convert(
                program,
                inputs=[ct.ImageType("image", shape, color_layout=ct.colorlayout.RGB)],
                outputs=[ct.TensorType(name) for name in metadata.output_names],
                compute_precision=ct.precision.FLOAT32
                if precision == "fp32"
                else ct.precision.FLOAT16,
                minimum_deployment_target=ct.target.iOS16,
                convert_to="mlprogram",
            )
            if precision == "int8":
                weights = cto.OpLinearQuantizerConfig(mode="linear_symmetric")
                model = cto.linear_quantize_weights(model, cto.OptimizationConfig(weights))
            elif precision == "palette":
                weights = cto.OpPalettizerConfig(mode="kmeans", nbits=PALETTE_BITS)
                model = cto.palettize_weights(model, cto.OptimizationConfig(weights))
        return model

    def graph(self, model: Any) -> dict[str, Any]:
        """Summarise operators and weights for the metadata."""
        spec = model.get_spec()
        program = read_program(spec, spec.specificationVersion, model.weights_dir)
        operations = list(program.functions["main"].operations)
        weights: Counter[str] = Counter()
        for operation in operations:
            for variable in operation.inputs.values():
                constant = getattr(variable, "val", None)
                if isinstance(constant, np.ndarray) and constant.ndim:
                    weights[operation.name] += constant.nbytes
        kinds = Counter(o.op_type for o in operations if o.op_type != "const")
        return summary(kinds, weights)

    def save(self, model: Any, metadata: Metadata, face_model: FaceModel, path: Path) -> None:
        """Write the package with its metadata."""
        model.short_description = metadata.name
        model.license = metadata.licence
        model.user_defined_metadata.update(to_text(metadata, face_model))
        with quietly("saving the CoreML package"):
            model.save(str(path))
        (path / DEBUG_TABLE).unlink(missing_ok=True)
        described = path / MODEL
        described.write_bytes(stamped(described.read_bytes(), network_pieces(path)))


FORMAT = CoremlFormat()
