"""PyTorch to ``.pt2``: a program that runs without the network's code."""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edgeface.backends.contents import to_text
from edgeface.backends.pt2_archive import PROGRAM, SAMPLE_INPUTS
from edgeface.converters.quiet import quietly
from edgeface.converters.summary import summary
from edgeface.face_model import FaceModel
from edgeface.metadata import Metadata
from edgeface.reference.networks.checkpoint import TrainedNetwork

SUFFIX = ".pt2"
PRECISIONS = ("fp32",)
CALIBRATED: tuple[str, ...] = ()
ANY_SIZE = False


def export(trained: TrainedNetwork, metadata: Metadata) -> Any:
    """The network as a torch program of any batch."""
    size = metadata.input_size
    example = torch.zeros(2, size, size, 3, dtype=torch.uint8)
    batch = {"image": {0: torch.export.Dim("batch")}}
    with quietly("torch.export"):
        return torch.export.export(trained.network, (example,), dynamic_shapes=batch)


def lower(exported: Any, precision: str, calibration: NDArray[np.uint8] | None) -> Any:
    """The program as it is."""
    return exported


def describe(program: Any) -> dict[str, Any]:
    """Operators and weights, for the metadata."""
    kinds = Counter(
        str(node.target).split(".")[1] for node in program.graph.nodes if node.op == "call_function"
    )
    weights = Counter({n: t.numel() * t.element_size() for n, t in program.state_dict.items()})
    return summary(kinds, weights)


def save(program: Any, metadata: Metadata, face_model: FaceModel, path: Path) -> None:
    """Write the program with its metadata, and without any pickle."""
    buffer = io.BytesIO()
    with quietly("torch.export.save"):
        torch.export.save(program, buffer, extra_files=to_text(metadata, face_model))
    with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(path, "w") as target:
        for entry in source.infolist():
            name = entry.filename.partition("/")[2]
            target.writestr(f"{metadata.kind}/{name}", _plain(name, source.read(entry)))


def _plain(name: str, content: bytes) -> bytes:
    """An entry without what torch would unpickle, and without the exporting machine's paths."""
    if name == SAMPLE_INPUTS:
        return b""  # torch's reader asks for the entry, and takes an empty one for none
    if name != PROGRAM:
        return content
    program = json.loads(content)
    for node in program["graph_module"]["graph"]["nodes"]:
        node["metadata"] = {}  # where in the source it comes from
    return json.dumps(program).encode()
