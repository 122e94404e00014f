import edgeface
from tests.processes import run_code


def test_import_is_cheap():
    code = (
        "import edgeface, sys; "
        "print([m for m in ('torch', 'numba', 'onnxruntime', 'onnx', 'PIL', 'scipy') "
        "if m in sys.modules])"
    )
    result = run_code(code)
    assert result.stdout.strip() == "[]"


def test_public_names_resolve():
    for name in edgeface.__all__:
        assert getattr(edgeface, name) is not None
    assert set(dir(edgeface)) == set(edgeface.__all__)


def test_a_module_that_is_not_imported_is_named():
    code = (
        "import edgeface\n"
        "for name in ('retarget', 'nothing'):\n"
        "    try: getattr(edgeface, name)\n"
        "    except AttributeError as error: print(error)"
    )
    result = run_code(code)
    assert result.stdout.splitlines() == [
        "module 'edgeface' has no attribute 'retarget' before 'import edgeface.retarget'",
        "module 'edgeface' has no attribute 'nothing'",
    ]


def test_kernels_fall_back_without_numba():
    code = (
        "import sys; sys.modules['numba'] = None\n"
        "import numpy as np\n"
        "from edgeface.kernels import decode_candidates, suppress\n"
        "boxes, scores, _ = decode_candidates(np.zeros((2, 2, 5), np.float32),"
        " np.array([[9, 9]], np.float32), 32, 0.5)\n"
        "print(suppress(boxes, scores, 0.5)[0].tolist())"
    )
    result = run_code(code)
    assert result.stdout.strip() == "[0, 1, 2, 3]"
