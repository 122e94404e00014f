"""The three ways of every kernel: numpy, compiled loops, the same loops as plain Python."""

import importlib.util
import sys

import pytest

FILES = ("resize", "detect", "pose", "rasterise")


@pytest.fixture(scope="module", params=["numpy", "numba", "plain loops"])
def engine(request):
    """An engine's name; under "plain loops" the numba engine runs with its compiler off."""
    if request.param == "numpy":
        yield "numpy"
        return
    numba = pytest.importorskip("numba")
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "plain loops":
            patch.setattr(numba.config, "DISABLE_JIT", 1)
            for name in FILES:
                patch.setitem(sys.modules, f"edgeface.kernels.compiled.{name}", fresh(name))
        yield "numba"


def fresh(name):
    """A new copy of a module of loops, decorated under the present settings of numba."""
    spec = importlib.util.find_spec(f"edgeface.kernels.compiled.{name}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
