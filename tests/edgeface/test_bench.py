"""The benchmark suite: its record, report and comparison, and a phone behind a stand-in adb."""

import copy
import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pytest

import edgeface
from edgeface import BackendUnavailableError, InferenceError, InvalidInputError, load
from edgeface.backends.contents import num_bytes
from edgeface.bench import android, compare, page, planted, suite, system, tables
from edgeface.cli import main
from edgeface.cli.bench.files import read_record

SCHEMA = json.loads((Path(edgeface.__file__).parent / "bench/schema.json").read_text())


@pytest.fixture(scope="module")
def record():
    settings = suite.Settings(
        models=["mfn", "sfn"], faces=[0, 2], kernels=["numpy"], minutes=0.002, budget_s=0.02
    )
    return suite.run_suite(settings, lambda _: None)


def test_record_fits_the_schema(record):
    jsonschema.validate(record, SCHEMA)
    broken = copy.deepcopy(record)
    del broken["results"][0]["faces"][0]["stages"]["run"]["median_ms"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, SCHEMA)


def test_record_counts_the_faces_it_was_asked_for(record):
    for result in record["results"]:
        assert [(f["count"], f["found"]) for f in result["faces"]] == [(0, 0), (2, 2)]
    stages = record["results"][0]["faces"][1]["stages"]
    assert set(stages) == set(tables.STAGES)
    assert stages["network"]["median_ms"] > stages["nms"]["median_ms"]


def test_suite_measures_networks_in_the_formats_that_ship():
    pytest.importorskip("ai_edge_litert")
    settings = suite.Settings(
        ["sfn"], backends=["tflite"], faces=[1], kernels=["numpy"], budget_s=0.02
    )
    (result,) = suite.run_suite(settings, lambda _: None)["results"]
    assert result["file"] == "sfn.tflite"


@pytest.mark.parametrize("count", [0, 1, 20, 81])
def test_planted_faces_are_found_exactly(count):
    model = load("mfn")
    heads = planted.plant_faces(model.metadata, count)
    image = np.zeros((90, 160, 3), np.uint8)
    _, placement = edgeface.image.letterbox(image, model.metadata.input_size)
    single = {name: head[0] for name, head in heads.items()}
    assert len(model.decode(single, placement, 0.4, 0.45)) == count
    with pytest.raises(InvalidInputError, match="at most"):
        planted.plant_faces(model.metadata, 10_000)


def test_timed_measures_what_was_slept():
    # in a process of its own: here, threads of other tests' runtimes may still be spinning
    code = (
        "import json, time\n"
        "from edgeface.bench.measure import timed\n"
        "print(json.dumps(timed(lambda _: time.sleep(0.004), 0.05)))"
    )
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    found = json.loads(printed.stdout)
    assert 3.9 < found["q25_ms"] <= found["median_ms"] <= found["q75_ms"]
    assert found["waited"] > 0.5  # asleep is without a processor, too


def test_report_is_one_page_without_links(record):
    text = page.as_html(record)
    assert text.count("<svg") == 3
    assert not re.search(r"(src|href)=|https?://(?!json-schema)", text)
    inside = re.search(r"id=record>(.*?)</script>", text, re.DOTALL).group(1)
    assert json.loads(inside) == record
    evil = copy.deepcopy(record)
    evil["results"][0]["file"] = "</script><b>"
    assert "</script><b>" not in page.as_html(evil)


def test_compare_finds_what_got_worse(record, tmp_path, capsys):
    slower = copy.deepcopy(record)
    stage = slower["results"][0]["faces"][1]["stages"]["resize"]
    for key in ("median_ms", "q25_ms", "q75_ms"):
        stage[key] *= 10
    del slower["results"][1]
    a, b = tmp_path / "a.json", tmp_path / "b.json"
    a.write_text(json.dumps(record))
    b.write_text(json.dumps(slower))
    lines = {line.name: line for line in compare.compare(record, slower)}
    assert lines["mfn.onnx, 1 threads, numpy: resize, 2 faces"].verdict == "worse"
    assert lines["mfn.onnx, 1 threads, numpy: resize, 2 faces"].ratio == pytest.approx(10)
    assert lines["mfn.onnx, 1 threads, numpy: nms, 2 faces"].verdict == "same"
    assert lines["sfn.onnx, 1 threads, numpy: load"].verdict == "only in A"
    assert main(["bench", "compare", str(a), str(b)]) == 1
    assert "worse" in capsys.readouterr().out
    assert main(["bench", "compare", str(a), str(a)]) == 0
    assert main(["bench", "compare", str(b), str(tmp_path / "absent.json")]) == 1
    assert "no record of edgeface bench" in capsys.readouterr().err


@pytest.mark.parametrize(
    "results", [5, [{}], [5], [{"file": "a", "threads": 1, "kernels": "numpy", "cold_start": 1}]]
)
def test_compare_refuses_records_without_figures(results):
    with pytest.raises(InvalidInputError, match="first record is none"):
        compare.compare({"results": results}, {"results": []})


@pytest.mark.parametrize("value", ["large", 10**400], ids=["text", "too large"])
def test_compare_refuses_figures_that_are_no_numbers(record, value):
    other = copy.deepcopy(record)
    other["results"][0]["file_mb"] = value
    with pytest.raises(InvalidInputError, match="second record is none"):
        compare.compare(record, other)


def test_compare_refuses_records_of_nothing_alike(record):
    other = copy.deepcopy(record)
    for result in other["results"]:
        result["threads"] += 1
    with pytest.raises(InvalidInputError, match="no figure in common"):
        compare.compare(record, other)


def test_bench_writes_what_it_measured(tmp_path, capsys, monkeypatch, record):
    monkeypatch.setattr(suite, "run_suite", lambda settings, progress: record)
    files = tmp_path / "a.json", tmp_path / "a.html"
    assert main(["bench", "run", "mfn", "--json", str(files[0]), "--html", str(files[1])]) == 0
    assert json.loads(files[0].read_text()) == record
    assert files[1].read_text().startswith("<!doctype html>")
    assert "post-processing ms" in capsys.readouterr().out


def test_a_record_on_standard_output_is_alone_there(capfdbinary, monkeypatch, record):
    monkeypatch.setattr(suite, "run_suite", lambda settings, progress: record)
    assert main(["bench", "run", "mfn", "--json", "-"]) == 0
    out, told = capfdbinary.readouterr()
    assert json.loads(out) == record
    assert b"post-processing ms" in told


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--json", "no/a.json"], "cannot write"),
        (["--html", "."], "it is a folder"),
        (["--minutes", "nan"], "--minutes must lie in"),
    ],
)
def test_bench_measures_nothing_that_it_cannot_write(tmp_path, capsys, monkeypatch, options, told):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(suite, "run_suite", None, raising=False)
    assert main(["bench", "run", "mfn", *options]) == 1
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (suite.Settings(["absent.onnx"]), "no such model"),
        (suite.Settings(["mnf"]), r"did you mean mfn\?"),
        (suite.Settings(["mfn"], images=Path("empty")), "the folder empty has no images"),
        (suite.Settings(["mfn"], images=Path("absent")), "no such folder of images: absent"),
    ],
)
def test_suite_rejects_what_is_not_there(tmp_path, monkeypatch, settings, message):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    with pytest.raises(InvalidInputError, match=message):
        suite.run_suite(settings, lambda _: None)


def test_suite_tells_files_of_one_name_apart(tmp_path, monkeypatch):
    monkeypatch.setattr(suite, "_python", lambda *_, **__: "{}")
    monkeypatch.setattr(suite, "cold_start", lambda *_: {})
    paths = [tmp_path / name for name in ("old/mfn.onnx", "new/mfn.onnx", "sfn.onnx")]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.touch()
    models = [str(path) for path in (*paths, paths[0])]
    record = suite.run_suite(suite.Settings(models, kernels=["numpy"]), lambda _: None)
    assert [r["file"] for r in record["results"]] == [*models[:2], "sfn.onnx"]


def test_suite_takes_more_images_than_a_command_line_holds(tmp_path, monkeypatch):
    (tmp_path / "broken.onnx").write_text("")
    many = [tmp_path / f"{number:0200}.png" for number in range(20_000)]
    monkeypatch.setattr(suite, "images_in", lambda _: many)
    with pytest.raises(InvalidInputError, match=r"measuring process failed: .*broken\.onnx"):
        suite.run_suite(
            suite.Settings([str(tmp_path / "broken.onnx")], images=tmp_path), lambda _: None
        )


def test_suite_refuses_kernels_that_are_none_before_it_measures():
    told = []
    with pytest.raises(InvalidInputError, match=r"^--kernels must be one of"):
        suite.run_suite(suite.Settings(["mfn"], kernels=["numpy", "nump"]), told.append)
    assert told == []


def test_suite_tells_of_a_process_that_failed(tmp_path):
    (tmp_path / "broken.onnx").write_text("")
    with pytest.raises(InvalidInputError, match=r"measuring process failed: (?!edgeface)"):
        suite.run_suite(suite.Settings([str(tmp_path / "broken.onnx")]), lambda _: None)


# The form of LiteRT's benchmark_model, as its source prints it.
REPORT = """\
INFO: STARTING!
INFO: Loaded model /data/local/tmp/edgeface/net.tflite
INFO: Initialized session in 11.25ms.
INFO: count=9 first=9712 curr=8129 min=8029 max=9712 avg=8347.4 std=478 p5=8029 median=8162 p95=9712

INFO: count=50 first=8262 curr=7985 min=7788 max=8605 avg=8063.3 std=160 p5=782 median=8051 p95=8428

INFO: Inference timings in us: Init: 11250, First inference: 9712, Warmup (avg): 8347.4, \
Inference (avg): 8063.3
INFO: Memory footprint delta from the start of the tool (MB): init=3.46 overall=21.4
INFO: Overall peak memory footprint (MB) via periodic monitoring: 24.6
"""


def test_read_report_of_both_forms():
    found = android.read_report(REPORT)
    assert found["load_ms"] == 11.25
    assert found["mean_ms"] == pytest.approx(8.0633)
    assert (found["median_ms"], found["p95_ms"], found["rounds"]) == (8.051, 8.428, 50)
    assert found["peak_memory_mb"] == 24.6
    assert not found["fell_back_to_cpu"]
    old = (
        "count=2 first=2990275 curr=2913402 min=2727568 max=3189954 avg=2.95034e+06 std=109798\n"
        "Inference timings in us: Init: 17187, First inference: 3512391, "
        "Warmup (avg): 3.51239e+06, Inference (avg): 2.95034e+06\n"
        "Peak memory footprint (MB): init=4.9 overall=138.8\n"
    )
    found = android.read_report(old)
    assert found["mean_ms"] == pytest.approx(2950.34)
    assert found["median_ms"] is None
    assert found["peak_memory_mb"] == 138.8
    with pytest.raises(InferenceError, match="no timings: Segmentation fault"):
        android.read_report("INFO: STARTING!\nSegmentation fault\n")


STAND_IN = """#!{python}
import pathlib, sys
arguments = sys.argv[1:]
log = pathlib.Path({log!r})
with log.open("a") as file:
    print(*arguments, file=file)
if arguments == ["get-state"]:
    print({state!r})
elif arguments[0] == "push":
    assert pathlib.Path(arguments[1]).exists()
elif arguments[0] == "shell" and "getprop" in arguments[1]:
    print("Stand-in 3")
elif arguments[0] == "shell" and "--graph" in arguments[1]:
    print({report!r})
    sys.exit({status})
"""


@pytest.fixture
def phone(tmp_path):
    """A function that makes a stand-in for adb and gives the arguments for a bench on it."""
    model, tool, log = (tmp_path / name for name in ("net.tflite", "benchmark_model", "log"))
    model.write_bytes(b"TFL3")
    tool.write_bytes(b"ELF")

    def make(state="device", report=REPORT, status=0):
        adb = tmp_path / "adb"
        adb.write_text(
            STAND_IN.format(
                python=sys.executable, log=str(log), state=state, report=report, status=status
            )
        )
        adb.chmod(adb.stat().st_mode | stat.S_IXUSR)
        return model, tool, str(adb), log

    return make


def test_energy_is_not_told_where_the_counter_began_again():
    assert system.energy_each(1.0, 5.0, 2) == 2.0
    assert system.energy_each(5.0, 1.0, 2) is system.energy_each(None, 1.0, 2) is None


@pytest.mark.skipif(os.name == "nt", reason="the stand-in is a script with a shebang")
def test_adb_pushes_runs_and_reads(phone):
    model, tool, adb, log = phone()
    found = android.bench_on_phone(model, tool, 2, adb=adb)
    assert found["median_ms"] == 8.051
    assert found["phone"] == "Stand-in 3"
    sent = log.read_text().splitlines()
    assert f"push {model} {android.FOLDER}/net.tflite" in sent
    assert f"push {tool} {android.FOLDER}/benchmark_model" in sent
    assert any("--num_threads=2" in line and "--use_xnnpack=true" in line for line in sent)
    android.bench_on_phone(model, tool, 1, gpu=True, adb=adb)
    assert "--use_gpu=true" in log.read_text()
    named = model.rename(model.with_name("my net.tflite"))
    android.bench_on_phone(named, tool, 1, adb=adb)
    assert f"--graph='{android.FOLDER}/my net.tflite' " in log.read_text()


@pytest.mark.skipif(os.name == "nt", reason="the stand-in is a script with a shebang")
def test_adb_says_what_is_missing(phone, tmp_path):
    model, tool, adb, _ = phone(state="unauthorized")
    with pytest.raises(BackendUnavailableError, match="allow USB debugging"):
        android.bench_on_phone(model, tool, 1, adb=adb)
    *_, adb, _ = phone(status=1, report="Failed to load the model")
    with pytest.raises(InferenceError, match="Failed to load the model"):
        android.bench_on_phone(model, tool, 1, adb=adb)
    with pytest.raises(BackendUnavailableError, match="platform tools"):
        android.bench_on_phone(model, tool, 1, adb=str(tmp_path / "absent"))
    with pytest.raises(InvalidInputError, match=r"runs \.tflite files"):
        android.bench_on_phone(tmp_path / "net.onnx", tool, 1, adb=adb)
    with pytest.raises(InvalidInputError, match="no such file"):
        android.bench_on_phone(model, tmp_path / "absent", 1, adb=adb)


@pytest.mark.skipif(os.name == "nt", reason="the stand-in is a script with a shebang")
def test_bench_adb_prints_and_writes(phone, tmp_path, monkeypatch, capsys):
    model, tool, adb, _ = phone()
    monkeypatch.setenv("PATH", str(Path(adb).parent), prepend=os.pathsep)
    out = tmp_path / "phone.json"
    assert (
        main(
            [
                "bench",
                "phone",
                str(model),
                "--tool",
                str(tool),
                "--threads",
                "1,4",
                "--json",
                str(out),
            ]
        )
        == 0
    )
    assert "8.051" in capsys.readouterr().out
    assert [r["threads"] for r in json.loads(out.read_text())["phone"]] == [1, 4]


def test_the_size_of_a_package_is_that_of_its_files(tmp_path):
    package = tmp_path / "a.mlpackage"
    (package / "Data").mkdir(parents=True)
    (package / "Manifest.json").write_bytes(b"12")
    (package / "Data" / "weight.bin").write_bytes(b"12345")
    assert num_bytes(package) == 7
    assert num_bytes(package / "Manifest.json") == 2


def test_a_record_of_a_phone_is_not_called_old(tmp_path):
    path = tmp_path / "phone.json"
    path.write_text('{"schema_version": 1, "phone": []}')
    with pytest.raises(InvalidInputError, match="it has no results of edgeface bench run"):
        read_record(path)
