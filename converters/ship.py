"""All files that ship, from the checkpoints: one command after a change of the weights.

    python -m edgeface.converters.ship --calibration PHOTOS [NETWORK...]

Networks are those of ``reference/checkpoints``. Each is converted as `SHIPPED` says, every file is
verified against its network, and the whole set goes into ``edgeface/assets``: an ONNX file as it
is, and the others in ``NETWORK.ready.zip``. Nothing is replaced before all files of a network are
verified.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from edgeface.converters.formats import find_format
from edgeface.converters.pack import pack
from edgeface.converters.pipeline import convert_files
from edgeface.errors import EdgeFaceError, InvalidInputError
from edgeface.model import ASSETS
from edgeface.output import replace_file
from edgeface.reference.networks.checkpoint import SHIPPED as CHECKPOINTS
from edgeface.reference.networks.checkpoint import load_network
from edgeface.terminal import named_path

READY = (("onnx", "int8"), ("tflite", "fp32"), ("tflite", "int8"), ("coreml", "fp16"))
SHIPPED: dict[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    "mfn": ("fp32", READY),
    "sfn": ("fp32", READY),
    "fusion": ("w8", ()),
    "mfn-free": ("w8", (("tflite", "w8"),)),
    "sfn-free": ("fp32", (("tflite", "fp32"),)),
    "tracknet": ("int8", ()),
    "modelnet": ("w8", ()),
}
"""The precision of each network's ONNX file, and its other files. Weights of int8 have a quarter of
the bytes; without them the package would be larger than 25 MB."""
TERMS = "LicenseRef-edgeface-research"
"""The identifier of ``LICENSE-WEIGHTS.md``, under which all are but those of free runs."""


def ship(network: str, calibration: Path) -> list[str]:
    """Convert a network that ships, and put its files into the assets.

    Returns
    -------
    list of str
        A line on every file: its name, its size, and how much its landmarks differ from PyTorch's.
    """
    if network not in SHIPPED or network not in CHECKPOINTS:
        raise InvalidInputError(f"no shipped network {network!r}; there are {', '.join(SHIPPED)}")
    precision, others = SHIPPED[network]
    plan = [(find_format(f), p) for f, p in (("onnx", precision), *others)]
    terms = None if load_network(network).recipe.get("free") else TERMS
    started = time.perf_counter()

    def show(step: str) -> None:
        print(
            f"{time.perf_counter() - started:6.1f} s  {network}: {step}",
            file=sys.stderr,
            flush=True,
        )

    with tempfile.TemporaryDirectory(prefix=".edgeface-", dir=ASSETS) as folder:
        written = convert_files(network, folder, plan, calibration, progress=show, terms=terms)
        original, *ready = (one.path for one in written)
        if ready:
            show("packing")
            packed = Path(folder) / "pack"
            pack(original, ready, packed)
            replace_file(packed, ASSETS / f"{network}.ready.zip")
        replace_file(original, ASSETS / original.name)
    return [
        f"{one.path.name:<22}{one.num_bytes / 1e6:7.2f} MB  landmarks differ by "
        f"{one.comparison.values.get('landmarks mean %', 0.0):.4f} % in the mean"
        for one in written
    ]


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m edgeface.converters.ship")
    parser.add_argument("networks", nargs="*", default=list(SHIPPED), metavar="NETWORK")
    parser.add_argument(
        "--calibration",
        type=named_path,
        required=True,
        metavar="DIR",
        help="a folder of real photos: most set the ranges of int8, the others verify every file",
    )
    arguments = parser.parse_args(argv)
    try:
        for network in arguments.networks:
            print(*ship(network, arguments.calibration), sep="\n", flush=True)
    except EdgeFaceError as error:
        print(f"ship: {error}", file=sys.stderr)
        return 1
    print("then: python examples/vectors/make.py")
    return 0


if __name__ == "__main__":
    sys.exit(main())
