import numpy as np
import pytest

from edgeface.kernels import Basis, contract_shapes
from tests.oracles import morphable as oracle


@pytest.fixture(scope="module", params=["shared", "full"])
def shapes(request):
    """Identity modes and expression offsets at 68 points, and the reduced tensor they mean."""
    random = np.random.default_rng(3)
    identity = random.normal(size=(50, 68, 3)).astype(np.float32)
    tail = (46, 68, 3) if request.param == "shared" else (50, 46, 68, 3)
    offsets = random.normal(size=tail).astype(np.float32)
    tensor = np.zeros((50, 47, 204))
    tensor[:] = identity.reshape(50, 1, 204)
    if request.param == "shared":
        tensor[0, 1:] += offsets.reshape(46, 204)
    else:
        tensor[:, 1:] += offsets.reshape(50, 46, 204)
    return identity, offsets, tensor.transpose(2, 0, 1)


def coefficients(count, seed=0):
    random = np.random.default_rng(seed)
    identity = random.normal(size=(count, 50)).astype(np.float32)
    return identity, random.uniform(0, 1, (count, 46)).astype(np.float32)


def test_contract_shapes_agrees_with_oracle(engine, shapes):
    identity, expression = coefficients(3)
    found = contract_shapes(Basis.from_shapes(*shapes[:2]), identity, expression, engine=engine)
    for shape, w, e in zip(found, identity, expression, strict=True):
        np.testing.assert_allclose(shape, oracle.landmarks(shapes[2], w, e), rtol=1e-3, atol=2e-3)


def test_contract_shapes_of_many_is_that_of_each(engine, shapes):
    basis = Basis.from_shapes(*shapes[:2])
    identity, expression = coefficients(5)
    together = contract_shapes(basis, identity, expression, engine=engine)
    for i in range(5):
        one = contract_shapes(basis, identity[i : i + 1], expression[i : i + 1], engine=engine)
        np.testing.assert_allclose(one[0], together[i], rtol=1e-4, atol=1e-3)


def test_contract_shapes_of_nobody_is_empty(engine, shapes):
    basis = Basis.from_shapes(*shapes[:2])
    assert contract_shapes(basis, *coefficients(0), engine=engine).shape == (0, 68, 3)


@pytest.mark.parametrize("bad", [((1, 50), (2, 46)), ((2, 49), (2, 46)), ((50,), (50,))])
def test_contract_shapes_rejects_other_shapes(shapes, bad):
    basis = Basis.from_shapes(*shapes[:2])
    with pytest.raises(ValueError, match="expected identity"):
        contract_shapes(basis, *(np.ones(shape, np.float32) for shape in bad))
