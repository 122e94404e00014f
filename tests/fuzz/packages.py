"""CoreML packages, which are folders: as zips while they are changed, as folders to be read."""

from __future__ import annotations

import importlib
import io
import shutil
import zipfile

from edgeface.ready import ReadyFile, read_ready
from tests.fuzz.mutate import mutated_bytes, mutated_json

MANIFEST = "Manifest.json"


def packages(_):
    """The one of the ``sfn`` that ships."""
    importlib.import_module("edgeface.converters.mil_executor")  # takes its time once
    files = read_ready(ReadyFile("sfn", "coreml", "fp16"))
    return [_zipped({path.partition("/")[2]: content for path, content in files.items()})]


def mutated_package(data, random):
    """A file of the package changed, gone, called otherwise, or one that it should not have."""
    files = _files(data)
    names = sorted(files)
    name = names[random.integers(len(names))]
    way = random.integers(6)
    if way == 0:
        files.pop(name)
    elif way == 1:
        files[name + "x"] = files.pop(name)
    elif way == 2:
        files["Data/more"] = random.bytes(9)
    elif way == 3 and MANIFEST in files:
        files[MANIFEST] = mutated_json(files[MANIFEST], random)
    else:
        files[name] = mutated_bytes(files[name], random)
    return _zipped(files)


def read_package(path):
    """The reader for machines without CoreML, whose first steps are those of the runtime's."""
    from edgeface.converters.mil_executor import MilBackend

    folder = path.with_suffix(".mlpackage")
    shutil.rmtree(folder, ignore_errors=True)
    for name, content in _files(path.read_bytes()).items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    MilBackend(folder)


def _zipped(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _files(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
