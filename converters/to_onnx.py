"""PyTorch to ONNX, checked against the original before the file is written."""

from __future__ import annotations

import base64
import io
import os
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray

from edgeface.errors import ConversionError, ParityError
from edgeface.metadata import FACE_MODEL_KEY, KEY, Metadata
from edgeface.reference.checkpoint import TrainedNetwork

OPSET = 18
MAX_DIFFERENCE = 1e-4
"""Largest allowed difference of a raw output between the file and the reference."""


def convert_to_onnx(
    trained: TrainedNetwork,
    metadata: Metadata,
    path: str | os.PathLike[str],
    samples: NDArray[np.uint8],
) -> Metadata:
    """Write a trained network as one self-describing ONNX file.

    Parameters
    ----------
    trained : TrainedNetwork
    metadata : what the file shall say of itself; its parity report is filled in here
    path : the file to write
    samples : uint8, shape (N, S, S, 3), input tensors on which both must agree

    Returns
    -------
    Metadata
        As written.

    Raises
    ------
    ConversionError
        If the exporter fails.
    ParityError
        If an output differs from the reference by more than MAX_DIFFERENCE; nothing is written.
    """
    graph = _export(trained, metadata)
    parity = _compare(trained, metadata, graph, samples)
    metadata = replace(metadata, parity=parity)
    blob = base64.b64encode(trained.face_model.to_bytes()).decode()
    onnx.helper.set_model_props(graph, {KEY: metadata.to_json(), FACE_MODEL_KEY: blob})
    onnx.checker.check_model(graph, full_check=True)
    Path(path).write_bytes(graph.SerializeToString())
    return metadata


def _export(trained: TrainedNetwork, metadata: Metadata) -> onnx.ModelProto:
    size = trained.config.input_size
    example = torch.zeros(2, size, size, 3, dtype=torch.uint8)
    buffer = io.BytesIO()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecations inside the exporter
            program: Any = torch.onnx.export(
                trained.network,
                (example,),
                dynamo=True,
                opset_version=OPSET,
                input_names=["image"],
                output_names=list(metadata.output_names),
                dynamic_shapes={"image": {0: torch.export.Dim("batch")}},
                external_data=False,
                verbose=False,
            )
        program.save(buffer)
    except Exception as error:
        raise ConversionError(f"the ONNX exporter failed: {error}") from error
    return onnx.load_from_string(buffer.getvalue())


def _compare(
    trained: TrainedNetwork,
    metadata: Metadata,
    graph: onnx.ModelProto,
    samples: NDArray[np.uint8],
) -> dict[str, Any]:
    """Largest differences of the raw outputs, one image at a time."""
    session: Any = onnxruntime.InferenceSession(
        graph.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = list(metadata.output_names)
    worst = dict.fromkeys(names, 0.0)
    for sample in samples:
        with torch.inference_mode():
            expected = trained.network(torch.from_numpy(sample[None]))
        actual = session.run(names, {"image": sample[None]})
        for name, ours, theirs in zip(names, expected, actual, strict=True):
            worst[name] = max(worst[name], float(np.abs(ours.numpy() - theirs).max()))
    limit = max(worst.values(), default=0.0)
    if not limit <= MAX_DIFFERENCE:
        raise ParityError(
            f"the ONNX file differs from the network by {limit:.2e} (allowed {MAX_DIFFERENCE:.0e})"
        )
    return {"samples": len(samples), "max_abs_difference": {n: float(v) for n, v in worst.items()}}
