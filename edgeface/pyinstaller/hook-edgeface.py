"""PyInstaller's hook: the files beside the code, and the modules that are imported by name."""

from __future__ import annotations

import pkgutil
from importlib.util import find_spec
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
LEFT_OUT = ("converters", "reference", "pyinstaller")
"""Of development; what they import would freeze PyTorch. It and other libraries as large (pandas,
Arrow, Ray) are frozen only if the program imports them itself."""

datas = [
    (str(file), str(file.parent.relative_to(PACKAGE.parent)))
    for folder in ("assets", "bench")
    for file in sorted((PACKAGE / folder).rglob("*"))
    if file.is_file() and file.suffix not in (".py", ".pyc")
]
hiddenimports = [
    module.name
    for top in pkgutil.iter_modules([str(PACKAGE)], "edgeface.")
    if top.name.rpartition(".")[2] not in LEFT_OUT
    for module in (
        top,
        *(
            pkgutil.walk_packages([str(PACKAGE / top.name.rpartition(".")[2])], f"{top.name}.")
            if top.ispkg
            else ()
        ),
    )
]
hiddenimports += [
    name
    for name in (
        "onnxruntime",
        "ai_edge_litert.interpreter",
        "tflite_runtime.interpreter",
        "av",
        "pygltflib",
        "pythonosc.osc_bundle_builder",
        "pythonosc.osc_message_builder",
        "websockets.exceptions",
        "websockets.sync.server",
        "pillow_heif",
        "PIL.ImageCms",
    )
    if find_spec(name.partition(".")[0]) is not None
]
