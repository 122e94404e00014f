"""Networks small enough to export in seconds, and files of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import edgeface
from edgeface.converters import network_metadata
from edgeface.converters.formats import find_format
from edgeface.reference.geometry.harmonics import with_harmonics
from edgeface.reference.networks import CONFIGS, FusionNetwork, build_network
from edgeface.reference.networks.checkpoint import TrainedNetwork

THIN = {
    "sfn": replace(
        CONFIGS["sfn"], input_size=64, stem_filters=8, squeeze=(4, 4), expand=(8, 8), head_units=8
    ),
    "sfn-single": replace(
        CONFIGS["sfn-single"], stem_filters=8, squeeze=(4,) * 3, expand=(8,) * 3, head_units=8
    ),
    "mfn": replace(
        CONFIGS["mfn"], input_size=64, stem_filters=8, squeeze=(4,) * 4, expand=(8,) * 4
    ),
    "mfn-single": replace(CONFIGS["mfn-single"], input_size=64),
    "fusion": replace(CONFIGS["fusion"], input_size=64, stem_filters=8, width=0.125),
}


def untrained(name, face_model):
    """A network of random weights whose outputs depend on what it sees."""
    torch.manual_seed(0)
    network = build_network(THIN[name])
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    size = THIN[name].input_size
    with torch.no_grad():
        network.train()(torch.randint(0, 256, (4, size, size, 3), dtype=torch.uint8))
        for last in last_layers(network):  # start small, where faults would hide
            last.weight *= 10
    if name == "fusion":
        face_model = with_harmonics(face_model)
    return TrainedNetwork(THIN[name], network.eval(), face_model, epoch=6, recipe={})


def last_layers(network):
    """Those that give the outputs."""
    if isinstance(network, FusionNetwork):
        return [network.identity, network.expression, network.correction, network.pose]
    return [head[-1] for head in network.heads]


def exporter(name):
    """A format; skips where its libraries are not installed."""
    try:
        return find_format(name)
    except edgeface.BackendUnavailableError as error:
        pytest.skip(str(error))


def write(format_name, trained, path, exported=None):
    """One fp32 file of a network, unverified; ``exported`` spares exporting it anew."""
    target = exporter(format_name)
    metadata = network_metadata(trained)
    model = target.lower(exported or target.export(trained, metadata), "fp32", None)
    any_size = target.any_size and metadata.detects
    stated = replace(metadata, graph=target.graph(model), any_size=any_size)
    target.save(model, stated, trained.face_model, path)
    return path
