"""Files that would run code of their author under ``torch.export.load`` do not here."""

import contextlib
import io
import json
import os
import pickle
import stat
import zipfile
from pathlib import Path

import numpy as np
import pytest

import edgeface

torch = pytest.importorskip("torch", reason="needs the extra: edgeface[torch]")


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return Path.touch, (Path(self.marker),)


@pytest.fixture
def marker(tmp_path):
    return tmp_path / "executed"


@pytest.fixture
def entries(pt2_file):
    with zipfile.ZipFile(pt2_file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def write(tmp_path, entries):
    """A copy of the file with some entries changed, added or, where None, left out."""

    def make(changes, infos=()):
        path = tmp_path / "changed.pt2"
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in {**entries, **changes}.items():
                if content is not None:
                    archive.writestr(name, content)
            for info, content in infos:
                archive.writestr(info, content)
        return path

    return make


def named(entries, part):
    return next(name for name in entries if part in name)


def pickled(marker):
    return pickle.dumps(Touch(marker), protocol=2)


def torch_pickled(value):
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def code(marker):
    return f"__import__('pathlib').Path({str(marker)!r}).touch()"


def sample_inputs(entries, marker):
    return {named(entries, "sample_inputs"): torch_pickled(((Touch(marker),), {}))}


def pickled_weight(entries, marker):
    index = named(entries, "weights_config")
    config = json.loads(entries[index])
    first = next(iter(config["config"].values()))
    first["use_pickle"] = True
    weight = index.replace("model_weights_config.json", first["path_name"])
    return {index: json.dumps(config).encode(), weight: torch_pickled(Touch(marker))}


def opaque_constant(entries, marker):
    index = named(entries, "constants_config")
    config = json.loads(entries[named(entries, "weights_config")])
    entry = {**next(iter(config["config"].values())), "path_name": "opaque_obj_0"}
    entry["use_pickle"] = True
    payload = index.replace("model_constants_config.json", "opaque_obj_0")
    return {index: json.dumps({"config": {"x": entry}}).encode(), payload: pickled(marker)}


def program(entries, change):
    name = named(entries, "models/")
    values = json.loads(entries[name])
    change(values)
    return {name: json.dumps(values).encode()}


def size_expression(entries, marker):
    def change(values):
        tensors = values["graph_module"]["graph"]["tensor_values"]
        expression = {"expr_str": code(marker), "hint": {"as_int": 1}}
        next(iter(tensors.values()))["sizes"][0] = {"as_expr": expression}

    return program(entries, change)


def escaped_size_expression(entries, marker):
    ((name, content),) = size_expression(entries, marker).items()
    return {name: content.replace(b'"expr_str"', b'"\\u0065xpr_str"')}


def guard(entries, marker):
    return program(entries, lambda values: values.update(guards_code=[code(marker)]))


def operator(target):
    def make(entries, marker):
        def change(values):
            node = values["graph_module"]["graph"]["nodes"][1]
            node["target"] = target
            node["inputs"] = [{"name": "command", "arg": {"as_string": code(marker)}, "kind": 1}]

        return program(entries, change)

    return make


def scripted_object(entries, marker):
    def change(values):
        values["graph_module"]["graph"]["custom_obj_values"] = {
            "x": {"name": "x", "class_fqn": "y"}
        }

    return program(entries, change)


def input_of_kind(kind):
    def make(entries, marker):
        def change(values):
            specs = values["graph_module"]["signature"]["input_specs"]
            specs[0] = {kind: next(iter(specs[0].values()))}

        return program(entries, change)

    return make


def added(name, content=pickled):
    def make(entries, marker):
        root = next(iter(entries)).partition("/")[0]
        return {name.format(root=root): content(marker)}

    return make


def replaced(part, content=pickled):
    return lambda entries, marker: {named(entries, part): content(marker)}


def learning(entries, marker):
    def change(values):
        for node in values["graph_module"]["graph"]["nodes"]:
            for argument in node["inputs"]:
                if argument["name"] == "training":
                    argument["arg"] = {"as_bool": True}

    return program(entries, change)


REFUSED = {
    "weights that change while it runs": learning,
    "a weight marked as a pickle": pickled_weight,
    "an opaque constant": opaque_constant,
    "a size expression": size_expression,
    "a size expression under an escaped key": escaped_size_expression,
    "a guard": guard,
    "a scripted object": scripted_object,
    "os.system as the operator": operator("torch.os.system"),
    "eval as the operator": operator("builtins.eval"),
    "an operator with effects": operator("torch.ops.aten.from_file.default"),
    "a library that an operator loads": operator("torch.ops.load_library"),
    "a higher-order operator": operator("torch.ops.higher_order.cond"),
    "an operator by way of attributes": operator("torch.ops.aten.relu.default.__class__"),
    "a constant as input": input_of_kind("tensor_constant"),
    "an object as input": input_of_kind("custom_obj"),
    "a token as input": input_of_kind("token"),
    "a compiled library": added("{root}/data/aotinductor/model/model.so"),
    "a shared library beside the model": added("{root}/extra/library.so"),
    "a second model": added("{root}/models/other.json"),
    "a TorchScript archive": added("{root}/code/__torch__.py"),
    "a pickle beside everything": added("{root}/data.pkl"),
    "a nested archive": added("{root}/extra/inner.zip"),
    "an entry above the root": added("../../outside"),
    "an entry above the root, inside": added("{root}/../../outside"),
    "an absolute entry": added("/tmp/outside"),
    "an entry of Windows": added("{root}\\..\\outside"),
    "another root": added("other/models/model.json"),
    "a weight by another name": added("{root}/data/weights/weight_x"),
    "the program as a pickle": replaced("models/model.json"),
    "the index of weights as a pickle": replaced("weights_config"),
    "the index of constants as a pickle": replaced("constants_config"),
    "the metadata as a pickle": replaced("extra/edgeface"),
    "the face model as a pickle": replaced("extra/edgeface_face_model"),
}
PASSED_OVER = {
    "sample inputs": sample_inputs,
    "the format as a pickle": replaced("archive_format"),
    "the version as a pickle": replaced(".data/version"),
}


@pytest.mark.parametrize("way", REFUSED)
def test_load_refuses_a_file_with(way, entries, write, marker):
    path = write(REFUSED[way](entries, marker))
    with pytest.raises(edgeface.ModelFormatError):
        edgeface.load(path).run(edgeface.DEMO_PHOTO)
    assert not marker.exists()


@pytest.mark.parametrize("way", PASSED_OVER)
def test_load_never_reads(way, entries, write, marker):
    path = write(PASSED_OVER[way](entries, marker))
    with contextlib.suppress(edgeface.ModelFormatError):  # where the file carries a checksum
        edgeface.load(path).run(edgeface.DEMO_PHOTO)
    assert not marker.exists()


@pytest.mark.parametrize(
    "way",
    [sample_inputs, pickled_weight, opaque_constant, size_expression],
    ids=lambda w: w.__name__,
)
@pytest.mark.filterwarnings("ignore")
def test_the_same_files_do_execute_under_torch(way, entries, write, marker):
    path = write(way(entries, marker))
    with contextlib.suppress(Exception):  # what torch makes of the file after the deed
        torch.export.load(path)
    assert marker.exists()


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_load_refuses_entries_that_are_no_files(mode, entries, write):
    name = named(entries, "extra/edgeface")
    info = zipfile.ZipInfo(name.replace("edgeface", "edgeface"))
    info.external_attr = (mode | 0o777) << 16
    path = write({name: None}, [(info, b"/etc/passwd")])
    with pytest.raises(edgeface.ModelFormatError, match="no file of edgeface's converter"):
        edgeface.load(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_load_refuses_an_entry_that_comes_twice(entries, write):
    name = named(entries, "models/")
    path = write({}, [(name, entries[name])])
    with pytest.raises(edgeface.ModelFormatError, match="twice"):
        edgeface.load(path)


def test_load_refuses_compressed_entries(entries, write):
    info = zipfile.ZipInfo(named(entries, "weight_0"))
    info.compress_type = zipfile.ZIP_DEFLATED
    path = write({info.filename: None}, [(info, bytes(10_000_000))])
    with pytest.raises(edgeface.ModelFormatError, match="compressed"):
        edgeface.load(path)


def test_load_refuses_entries_that_share_their_bytes(pt2_file, tmp_path):
    """The central directory names one weight's bytes under many names: 10 MB would become 10 TB."""
    with zipfile.ZipFile(pt2_file) as archive:
        entries = archive.infolist()
    path = tmp_path / "shared.pt2"
    path.write_bytes(pt2_file.read_bytes())
    with zipfile.ZipFile(path, "a") as archive:
        largest = max(entries, key=lambda entry: entry.file_size)
        root = largest.filename.partition("/")[0]
        for number in range(2000, 2050):
            copy = zipfile.ZipInfo(f"{root}/data/weights/weight_{number}")
            copy.file_size = copy.compress_size = largest.file_size
            copy.header_offset, copy.CRC = largest.header_offset, largest.CRC
            archive.filelist.append(copy)
        archive.comment = b"so that the directory is written"
    with pytest.raises(edgeface.ModelFormatError, match="more bytes than the file"):
        edgeface.load(path)


def test_load_refuses_weights_that_reach_outside_their_data(entries, write):
    index = named(entries, "weights_config")
    config = json.loads(entries[index])
    next(iter(config["config"].values()))["tensor_meta"]["storage_offset"] = {"as_int": 2**40}
    with pytest.raises(edgeface.ModelFormatError):
        edgeface.load(write({index: json.dumps(config).encode()}))


@pytest.mark.parametrize("command", ["info", "run", "verify", "bench", "convert"])
def test_no_command_executes_a_file(command, entries, write, marker, tmp_path, capsys):
    from edgeface.cli import main

    path = str(write(pickled_weight(entries, marker)))
    arguments = {
        "info": ["info", path],
        "run": ["run", "demo", "--model", path],
        "verify": ["verify", path, path],
        "bench": ["bench", "run", path, "--faces", "1"],
        "convert": ["convert", path, "--out", str(tmp_path / "out")],
    }
    assert main(arguments[command]) == 1
    assert "changed.pt2" in capsys.readouterr().err
    assert not marker.exists()


@pytest.mark.parametrize("protocol", ["zip", "legacy", "plain"])
def test_convert_executes_no_checkpoint(protocol, marker, tmp_path):
    from edgeface.reference.networks.checkpoint import load_network

    path = tmp_path / "evil.ckpt"
    if protocol == "plain":
        path.write_bytes(pickled(marker))
    else:
        torch.save(
            {"edgeface": Touch(marker)}, path, _use_new_zipfile_serialization=protocol == "zip"
        )
    with pytest.raises(edgeface.ModelFormatError):
        load_network(path)
    assert not marker.exists()


def test_the_programs_own_reader_agrees_with_torch(pt2_file, random):
    model = edgeface.load(pt2_file)
    size = model.metadata.input_size
    images = random.integers(0, 256, (3, size, size, 3), np.uint8)
    with torch.inference_mode():
        expected = torch.export.load(pt2_file).module()(torch.from_numpy(images))
    for ours, theirs in zip(model.infer(images).values(), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs.numpy())


def test_converted_files_hold_no_pickle_and_no_path_of_this_machine(entries):
    for name, content in entries.items():
        assert not content.startswith((b"\x80\x02", b"\x80\x04", b"PK")), name
    assert os.fsencode(Path(edgeface.__file__).parent) not in entries[named(entries, "models/")]
