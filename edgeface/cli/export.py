"""``edgeface export``: a network that ships, as a file for another device."""

from __future__ import annotations

import argparse
import hashlib

from edgeface.backends import backends
from edgeface.errors import BackendUnavailableError
from edgeface.model import DEMO_PHOTO, load
from edgeface.ready import PRECISIONS, SUFFIXES, find_ready, read_ready, write_ready
from edgeface.shipped import BUNDLED
from edgeface.terminal import named_path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare network, format, precision and folder."""
    parser.add_argument("network", metavar="NETWORK", help=f"one of {', '.join(BUNDLED)}")
    parser.add_argument(
        "--to",
        default="onnx",
        metavar="FORMAT",
        help=f"the format of the file, one of {', '.join(SUFFIXES)} (default: onnx)",
    )
    parser.add_argument(
        "--precision",
        metavar="PRECISION",
        help=f"one of {', '.join(PRECISIONS)} (default: the first of these in which the network "
        "ships in this format)",
    )
    parser.add_argument(
        "--out",
        type=named_path,
        required=True,
        metavar="DIR",
        help="the folder that the file goes to",
    )


def execute(arguments: argparse.Namespace) -> int:
    """Write the file, and open it where its engine is installed; returns the exit status."""
    file = find_ready(arguments.network, arguments.to, arguments.precision)
    contents = read_ready(file)
    path = write_ready(file, arguments.out)
    size = sum(map(len, contents.values())) / 1e6
    digest = hashlib.sha256(b"".join(contents.values())).hexdigest()
    print(f"{path}  {size:.2f} MB  sha256 {digest[:16]}, as it was verified against PyTorch")
    engine = next(b for b in backends() if b.suffix == path.suffix)
    if not engine.available:
        print(f"not run here, which needs {engine.engine}: {engine.install}")
        return 0
    try:
        model = load(path)
    except BackendUnavailableError as error:
        print(f"not run here: {error}")
        return 0
    done = "runs here"
    if model.metadata.detects:
        done = f"finds {len(model.run(DEMO_PHOTO))} faces in the demo photo"
    print(f"{engine.engine} {engine.version} opens it: {done}")
    return 0
