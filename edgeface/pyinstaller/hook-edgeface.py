"""PyInstaller's hook: the files beside the code, and the modules that are imported by name."""

from __future__ import annotations

import pkgutil
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
LEFT_OUT = ("converters", "reference", "pyinstaller")
"""Of development; what they import would freeze PyTorch."""

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
hiddenimports += ["onnxruntime"]
