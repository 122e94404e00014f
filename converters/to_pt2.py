"""Writing ``.pt2`` files, programs that run without the network's code."""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram

from edgeface.backends.checksums import stamped
from edgeface.backends.contents import to_text
from edgeface.backends.pt2_archive import DESCRIPTION, PROGRAM, SAMPLE_INPUTS, network_pieces
from edgeface.converters.quiet import quietly
from edgeface.converters.summary import summary
from edgeface.face_model import FaceModel
from edgeface.metadata import Metadata
from edgeface.reference.networks.checkpoint import TrainedNetwork
from edgeface.types import ImageArray


class Pt2Format:
    """Programs of `torch.export` (`edgeface.converters.formats.Format`)."""

    name = "pt2"
    suffix = ".pt2"
    precisions = ("fp32",)
    calibrated = ()
    any_size = False

    def export(self, trained: TrainedNetwork, metadata: Metadata) -> ExportedProgram:
        """Export the network as a torch program of any batch."""
        size = metadata.input_size
        example = torch.zeros(2, size, size, 3, dtype=torch.uint8)
        batch = {"image": {0: torch.export.Dim("batch")}}
        with quietly("torch.export"):
            return torch.export.export(trained.network, (example,), dynamic_shapes=batch)

    def lower(
        self, exported: ExportedProgram, precision: str, calibration: ImageArray | None
    ) -> ExportedProgram:
        """Return the program as it is."""
        return exported

    def graph(self, model: ExportedProgram) -> dict[str, Any]:
        """Summarise operators and weights for the metadata."""
        kinds = Counter(
            str(node.target).split(".")[1]
            for node in model.graph.nodes
            if node.op == "call_function"
        )
        weights = Counter({n: t.numel() * t.element_size() for n, t in model.state_dict.items()})
        return summary(kinds, weights)

    def save(
        self, model: ExportedProgram, metadata: Metadata, face_model: FaceModel, path: Path
    ) -> None:
        """Write the program with its metadata, and without any pickle."""
        buffer = io.BytesIO()
        with quietly("torch.export.save"):
            torch.export.save(model, buffer, extra_files=to_text(metadata, face_model))
        with zipfile.ZipFile(buffer) as source:
            names = {entry.filename.partition("/")[2]: entry for entry in source.infolist()}
            entries = {name: _plain(name, source.read(entry)) for name, entry in names.items()}
        entries[DESCRIPTION] = stamped(entries[DESCRIPTION], network_pieces(entries))
        with zipfile.ZipFile(path, "w") as target:
            for name, content in entries.items():
                target.writestr(f"{metadata.kind}/{name}", content)


FORMAT = Pt2Format()


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
