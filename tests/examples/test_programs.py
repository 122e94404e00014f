"""The programs outside Python give the faces of the test vectors."""

import base64
import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import edgeface

ROOT = Path(__file__).parents[2]
WEB = ROOT / "examples" / "web"
CPP = ROOT / "examples" / "cpp"
MODEL = Path(edgeface.__file__).parent / "assets" / "mfn.onnx"
# boxes and landmarks in pixels, angles in degrees
LIMITS = {
    "box_xyxy": 1e-3,
    "landmarks_3d": 1e-3,
    "score": 1e-4,
    "euler_deg": 1e-3,
    "rotation": 1e-5,
    "identity_coeffs": 1e-4,
    "expression_coeffs": 1e-4,
    "translation": 1e-4,
    "focal": 1e-4,
}


def needs(program):
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"needs {program} on the PATH")
    return found


@pytest.fixture(scope="module")
def check_page():
    """Calls ``test/check.js`` with more arguments."""
    node = needs("node")
    chromium = os.environ.get("CHROMIUM") or needs("chromium")
    if not (WEB / "node_modules" / "puppeteer-core").is_dir():
        pytest.skip("needs the page's packages: npm install in examples/web")

    def call(*arguments):
        return subprocess.run(
            [node, WEB / "test" / "check.js", *arguments],
            env=os.environ | {"CHROMIUM": chromium},
            capture_output=True,
            text=True,
        )

    return call


def test_page_agrees_with_the_vectors(check_page, fresh_vectors):
    done = check_page("--vectors", fresh_vectors)
    assert done.returncode == 0, done.stderr
    assert "the page agrees with the vectors" in done.stdout


def test_page_agrees_on_another_network(check_page, other_model):
    done = check_page("--vectors", other_model, "--model", other_model / "other.onnx")
    assert done.returncode == 0, done.stderr


def test_page_needs_no_dense_mesh(check_page, fresh_vectors, basis_model):
    done = check_page("--vectors", fresh_vectors, "--model", basis_model)
    assert done.returncode == 0, done.stderr


def test_page_check_notices_a_moved_landmark(check_page, fresh_vectors, tmp_path):
    vectors = json.loads((fresh_vectors / "mfn.json").read_text())
    vectors["faces"][0]["landmarks_3d"][30][0] += 0.5
    (tmp_path / "mfn.json").write_text(json.dumps(vectors))
    shutil.copy(fresh_vectors / "input.png", tmp_path)
    done = check_page("--vectors", tmp_path)
    assert done.returncode != 0
    assert re.search(r"landmarks_3d of face 0 differs by 0\.(49|50)", done.stderr)


def test_package_agrees_with_the_vectors_in_node(fresh_vectors):
    if not (WEB / "node_modules" / "onnxruntime-web").is_dir():
        pytest.skip("needs the package's engine: npm install in examples/web")
    done = subprocess.run(
        [needs("node"), "--test", WEB / "test" / "vectors.test.js"],
        env=os.environ | {"EDGEFACE_VECTORS": str(fresh_vectors)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_package_has_the_types_that_a_user_needs():
    compiler = WEB / "node_modules" / ".bin" / "tsc"
    if not compiler.exists():
        pytest.skip("needs the compiler of TypeScript: npm install in examples/web")
    done = subprocess.run([compiler, "-p", WEB / "test"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


SERVE = """
const { serve } = await import(process.argv[2]);
const server = await serve(process.argv[3]);
for (const path of ["/%", "/%2e%2e%2fcpp%2fREADME.md", "/none", "/page/"]) {
  console.log((await fetch(`http://127.0.0.1:${server.address().port}${path}`)).status);
}
const refiner = await fetch(`http://127.0.0.1:${server.address().port}/refiner.onnx`);
console.log((await refiner.arrayBuffer()).byteLength);
server.closeAllConnections();
server.close();
"""


@pytest.mark.parametrize(("model", "refiner"), [("mfn", "sfn"), ("mfn-free-w8", "sfn-free")])
def test_page_server_outlives_wrong_addresses_and_pairs_networks(model, refiner):
    """A network that anyone may use is not shown with the eyes of one that is for research."""
    command = [needs("node"), "--input-type=module", "--eval", SERVE, "-", WEB / "serve.js"]
    done = subprocess.run(
        [*command, MODEL.with_stem(model)], capture_output=True, text=True, timeout=60
    )
    size = MODEL.with_stem(refiner).stat().st_size
    assert done.stdout.split() == ["404", "404", "404", "200", str(size)], done.stderr


def test_package_holds_what_it_imports():
    files = set(json.loads((WEB / "package.json").read_text())["files"])
    imported = {"edgeface.js", "worker.js", "edgeface.d.ts"}
    for name in files - {"edgeface.d.ts"}:
        text = (WEB / name).read_text()
        imported |= set(re.findall(r"""(?:from |URL\()["']\./([\w.-]+)["']""", text))
    assert files == imported


def test_faces_have_the_fields_of_python(cpp_faces):
    """A face of the package, by its types, and one of the program, by what it prints."""
    [face] = edgeface.load("mfn", refine="sfn").run(edgeface.DEMO_PHOTO)[:1].to_dict()
    types = (WEB / "edgeface.d.ts").read_text()
    declared = types[types.index("interface Face {") : types.index("interface Metadata")]
    always = {*face, "other_outputs"} - {"gaze_deg", "iris_centres"}
    assert set(re.findall(r"^  (\w+):", declared, re.MULTILINE)) == always
    assert set(re.findall(r"^  (\w+)\?:", declared, re.MULTILINE)) == {"gaze_deg", "iris_centres"}
    assert set(cpp_faces[0]) == {*face, "other_outputs"}


@pytest.fixture(scope="module")
def cpp_program(tmp_path_factory):
    needs("c++")
    cmake = needs("cmake")
    build = tmp_path_factory.mktemp("cpp")
    configure = [cmake, "-S", CPP, "-B", build, "-DCMAKE_BUILD_TYPE=Debug"]
    if root := os.environ.get("ONNXRUNTIME_ROOT"):
        configure.append(f"-DONNXRUNTIME_ROOT={root}")
    done = subprocess.run(configure, capture_output=True, text=True)
    if " was not found;" in done.stderr:
        missing = next(line for line in done.stderr.splitlines() if " was not found;" in line)
        pytest.skip(f"needs what examples/cpp/README.md lists: {missing.strip()}")
    assert done.returncode == 0, done.stderr
    done = subprocess.run([cmake, "--build", build], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in done.stdout + done.stderr
    return build / "edgeface_example"


def test_cpp_library_agrees_with_the_vectors(cpp_program, fresh_vectors):
    for name in ("mfn", "sfn"):
        command = [cpp_program.parent / "edgeface_test", MODEL.with_stem(name)]
        done = subprocess.run(
            [*command, fresh_vectors / f"{name}.json"], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_cpp_library_notices_a_moved_landmark(cpp_program, fresh_vectors, tmp_path):
    vectors = json.loads((fresh_vectors / "sfn.json").read_text())
    vectors["faces"][0]["landmarks_3d"][30][0] += 0.5
    (tmp_path / "sfn.json").write_text(json.dumps(vectors))
    shutil.copy(fresh_vectors / "sfn-input.png", tmp_path)
    command = [cpp_program.parent / "edgeface_test", MODEL.with_stem("sfn"), tmp_path / "sfn.json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert re.search(r"differs by 0\.(49|50)\d* at /landmarks_3d/30/0", done.stderr)


def test_cpp_library_is_found_by_another_project(cpp_program, tmp_path):
    """Installed, found by ``find_package``, and linked."""
    cmake, build = needs("cmake"), tmp_path / "build"
    steps = [
        [cmake, "--install", cpp_program.parent, "--prefix", tmp_path / "installed"],
        [cmake, "-S", CPP / "tests" / "consumer", "-B", build,
         f"-DCMAKE_PREFIX_PATH={tmp_path / 'installed'}",
         f"-DONNXRUNTIME_ROOT={os.environ.get('ONNXRUNTIME_ROOT', '')}"],
        [cmake, "--build", build],
        [build / "consumer", MODEL, edgeface.DEMO_PHOTO],
    ]  # fmt: skip
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    once = edgeface.load("mfn").run(edgeface.DEMO_PHOTO, detail="fast")
    assert len(done.stdout.splitlines()) == len(once) >= 4


@pytest.fixture(scope="module")
def cpp_faces(cpp_program):
    """What the program sees in the photo with a closer look."""
    return faces_of(cpp_program, edgeface.DEMO_PHOTO, 0.65, refine=MODEL.with_stem("sfn"))


def test_cpp_looks_closer_as_python_does(cpp_faces):
    """Another way to shrink a crop: within a pixel of the 1280 x 800 photo."""
    found = edgeface.load("mfn").run(edgeface.DEMO_PHOTO, score_threshold=0.65, detail="fast")
    expected = edgeface.load("sfn").refine(edgeface.DEMO_PHOTO, found)
    assert len(cpp_faces) == len(expected)
    points = np.array([face["landmarks_2d"] for face in cpp_faces])
    np.testing.assert_allclose(points, expected.landmarks_2d, atol=1)
    shapes = np.array([face["expression_coeffs"] for face in cpp_faces])
    np.testing.assert_allclose(shapes, expected.expression_coeffs, atol=0.05)


def faces_of(program, image, threshold, model=MODEL, refine=None):
    command = [program, model, image, "--json", "--threshold", str(threshold)]
    command += ["--refine", refine] if refine else []
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["faces"]


def test_cpp_agrees_with_the_vectors(cpp_program, fresh_vectors):
    check_cpp(cpp_program, fresh_vectors, MODEL)


def test_cpp_agrees_on_another_network(cpp_program, other_model):
    check_cpp(cpp_program, other_model, other_model / "other.onnx")


def test_cpp_needs_no_dense_mesh(cpp_program, fresh_vectors, basis_model):
    check_cpp(cpp_program, fresh_vectors, basis_model)


def check_cpp(program, folder, model):
    vectors = json.loads((folder / "mfn.json").read_text())
    faces = faces_of(program, folder / "input.png", vectors["score_threshold"], model)
    assert len(faces) == len(vectors["faces"])
    for face, expected in zip(faces, vectors["faces"], strict=True):
        for name, limit in LIMITS.items():
            np.testing.assert_allclose(face[name], expected[name], atol=limit, err_msg=name)


def test_cpp_agrees_with_python_on_the_photo(cpp_program, fresh_vectors):
    """Another JPEG decoder and another resize: within half a pixel of the 1280 x 800 photo."""
    threshold = json.loads((fresh_vectors / "mfn.json").read_text())["score_threshold"]
    expected = edgeface.load("mfn").run(
        edgeface.DEMO_PHOTO, score_threshold=threshold, detail="fast"
    )
    faces = faces_of(cpp_program, edgeface.DEMO_PHOTO, threshold)
    assert len(faces) == len(expected)
    points = np.array([face["landmarks_3d"] for face in faces])
    boxes = np.array([face["box_xyxy"] for face in faces])
    np.testing.assert_allclose(points, expected.landmarks_3d, atol=0.5)
    np.testing.assert_allclose(boxes, expected.boxes_xyxy, atol=0.5)


@pytest.mark.parametrize("size", [(700, 500), (250, 180)])
def test_cpp_resizes_as_python_does(cpp_program, tmp_path, size):
    photo = Image.open(edgeface.DEMO_PHOTO).resize(size)
    photo.save(tmp_path / "photo.png")
    expected = edgeface.load("mfn").run(photo, score_threshold=0.5, detail="fast")
    faces = faces_of(cpp_program, tmp_path / "photo.png", 0.5)
    assert len(faces) == len(expected) > 2
    points = np.array([face["landmarks_3d"] for face in faces])
    np.testing.assert_allclose(points, expected.landmarks_3d, atol=0.02)


def test_cpp_prints_one_line_a_face(cpp_program, fresh_vectors):
    vectors = json.loads((fresh_vectors / "mfn.json").read_text())
    command = [cpp_program, MODEL, fresh_vectors / "input.png"]
    command += ["--threshold", str(vectors["score_threshold"])]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert lines[0] == f"{len(vectors['faces'])} faces"
    assert len(lines) == 1 + len(vectors["faces"])


def cut_identity(face_model):
    """The same file with an array that ends early."""
    whole, cut = io.BytesIO(base64.b64decode(face_model)), io.BytesIO()
    with zipfile.ZipFile(whole) as arrays, zipfile.ZipFile(cut, "w") as written:
        for name in arrays.namelist():
            content = arrays.read(name)
            written.writestr(name, content[:200] if name == "identity.npy" else content)
    return base64.b64encode(cut.getvalue()).decode()


BAD_FILES = [
    ({"edgeface": None}, "lacks edgeface$", "lacks edgeface$"),
    ({"edgeface_face_model": None}, "lacks edgeface_face_model$", "lacks edgeface_face_model$"),
    ({"edgeface_face_model": "AAAA"}, "no zip archive", "no zip archive"),
    ({"edgeface_face_model": cut_identity}, "not as long as its shape", "not as long as its shape"),
    ({"schema_version": [3, 0]}, r"the file has \[3,0\]", "metadata version 3,0"),
    ({"kind": "fusion"}, "runs an mfn", "runs an mfn"),
    ({"stride": None}, "'stride' not found", "lacks stride"),
    ({"face_model_sha256": "0"}, "not the one its metadata names", "not the one its metadata"),
]


def write_bad_file(path, change):
    """The shipped file with entries replaced, or left out where they are None."""
    onnx = pytest.importorskip("onnx")
    graph = onnx.load(MODEL)
    props = {entry.key: entry.value for entry in graph.metadata_props}
    metadata = json.loads(props["edgeface"])
    for key, value in change.items():
        target = props if key in props else metadata
        target[key] = value(target[key]) if callable(value) else value
        if value is None:
            del target[key]
    if "edgeface" in props:
        props["edgeface"] = json.dumps(metadata)
    del graph.metadata_props[:]
    onnx.helper.set_model_props(graph, props)
    onnx.save(graph, path)


MISFITS = [
    ({"anchors": [[50, 50]]}, "output detection has another shape"),
    ({"stride": 32}, "output detection has another shape"),
    ({"stride": 0}, "no grid"),
    ({"input_size": 0}, "input_size is out of range: 0"),
    ({"input_size": 200_000}, "input_size is out of range: 200000"),
]


@pytest.mark.parametrize(("change", "message"), [*((c, cpp) for c, cpp, _ in BAD_FILES), *MISFITS])
def test_cpp_names_what_is_wrong_with_a_file(cpp_program, tmp_path, change, message):
    write_bad_file(tmp_path / "bad.onnx", change)
    command = [cpp_program, tmp_path / "bad.onnx", edgeface.DEMO_PHOTO]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert re.search(message, done.stderr, re.MULTILINE)


@pytest.mark.skipif(sys.platform == "darwin", reason="its names of files are UTF-8")
def test_cpp_prints_json_of_any_file_name(cpp_program, fresh_vectors, tmp_path):
    photo = tmp_path / os.fsdecode(b"caf\xe9.png")
    shutil.copy(fresh_vectors / "input.png", photo)
    assert faces_of(cpp_program, photo, 0.5)


@pytest.mark.parametrize("arguments", [[], ["one.onnx"], ["a", "b", "--threshold", "much"]])
def test_cpp_states_its_usage(cpp_program, arguments):
    done = subprocess.run([cpp_program, *arguments], capture_output=True, text=True)
    assert done.returncode == 2
    assert "usage" in done.stderr


READ = """
import { readFile } from "node:fs/promises";
const { readModelFile } = await import(process.argv[1]);
await readModelFile(await readFile(process.argv[2])).catch(error => console.log(error.message));
"""


def read_in_node(path):
    command = [needs("node"), "--input-type=module", "--eval", READ, WEB / "model-file.js", path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("change", "message"), [(c, js) for c, _, js in BAD_FILES])
def test_page_names_what_is_wrong_with_a_file(tmp_path, change, message):
    write_bad_file(tmp_path / "bad.onnx", change)
    assert re.search(message, read_in_node(tmp_path / "bad.onnx"), re.MULTILINE)


def test_page_notices_a_file_that_is_cut_off(tmp_path):
    (tmp_path / "bad.onnx").write_bytes(MODEL.read_bytes()[:100_000])
    assert "cut off" in read_in_node(tmp_path / "bad.onnx")


def test_page_reads_the_shipped_file(basis_model):
    assert read_in_node(MODEL) == ""
    assert read_in_node(basis_model) == ""
