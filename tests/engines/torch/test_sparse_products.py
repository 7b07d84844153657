"""Products without the zeros of a gradient: exact up to their roundings, as in real Caffe, where they are quicker."""

from __future__ import annotations

import pytest
from caffe_worker import CaffeWorker
from hypothesis import given
from hypothesis import strategies as st
from product_layers import PRODUCTS
from prototxts import input_layer, layer
from torch_judge import assert_as_caffe, make_random_inputs, torch

from caffe_fcn.engines.torch import product_ways, products, sparse_products
from caffe_fcn.engines.torch.sparse_products import DENSITIES, NEVER
from caffe_fcn.errors import EngineError

SETTING = "CAFFE_FCN_SPARSE_GRADIENTS"


@pytest.mark.numerics
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 1300), st.integers(1, 200)),
    density=st.sampled_from([0.0, 0.01, 0.25, 1.0]),
    seed=st.integers(0, 9),
    turned=st.booleans(),
    adds=st.booleans(),
)
def test_products_are_exact_up_to_their_roundings(
    shape: tuple[int, int, int], density: float, seed: int, turned: bool, adds: bool
) -> None:
    """A sum of K products in any order is off by at most K roundings of the sum of their sizes (Higham 2002, 3.5)."""
    rows, inner, columns = shape
    random = torch.Generator().manual_seed(seed)
    a = torch.randn((rows, inner), generator=random) * (torch.rand((rows, inner), generator=random) < density)
    b = torch.randn((columns, inner) if turned else (inner, columns), generator=random)
    if turned:  # in memory as gradients of convolutions and windows are
        a, b = a.t().contiguous().t(), b.t()
    before = torch.randn((rows, columns), generator=random) if adds else torch.zeros(rows, columns)
    total = before.clone() if adds else None
    found = sparse_products.multiply(a, b, total)
    assert total is None or found is total
    exact = before.double() + a.double() @ b.double()
    terms = int((a != 0).sum(1).max()) + -(-inner // sparse_products._ROWS) + adds
    allowed = terms * 2.0**-24 * (before.double().abs() + a.double().abs() @ b.double().abs())
    assert ((found.double() - exact).abs() <= allowed).all()


def test_what_is_not_a_number_is_not_left_out() -> None:
    a = torch.tensor([[0.0, float("nan")], [float("inf"), 0.0], [0.0, 0.0]])
    found = sparse_products.multiply(a, torch.ones(2, 3))
    assert found[0].isnan().all()
    assert (found[1] == float("inf")).all()
    assert (found[2] == 0).all()


@pytest.mark.parametrize(
    ("zeros", "columns", "density", "expected"),
    [
        (0.7, 1024, "30", True),
        (0.69, 1024, "30", False),
        (0.7, 1023, "30", False),
        (1.0, 1024, NEVER, False),
        (1.0, 1024, "10", True),
        (0.89, 4096, "10", False),
    ],
)
def test_a_gradient_is_sparse_up_to_a_density(zeros: float, columns: int, density: str, expected: bool) -> None:
    gradient = torch.ones(1000, 300)
    gradient.view(-1)[: round(zeros * gradient.numel())] = 0
    assert sparse_products.is_sparse(gradient, columns, density) == expected
    assert not sparse_products.is_sparse(gradient[:800], columns, density)  # too few values


@pytest.fixture
def every_sparse(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """All products with gradients count as large; how many values were not zero in those whose zeros were left out."""
    monkeypatch.setattr(products, "_LEAST", 1)
    monkeypatch.setattr(products, "_LEAST_ROWS", 1)
    monkeypatch.setattr(sparse_products, "_LEAST_VALUES", 1)
    monkeypatch.setattr(sparse_products, "_LEAST_COLUMNS", 1)
    monkeypatch.setattr(sparse_products, "_COLUMNS", 7)
    monkeypatch.setattr(sparse_products, "_ROWS", 5)
    monkeypatch.setenv(SETTING, DENSITIES[-1])
    counts: list[int] = []
    multiply = sparse_products.multiply

    def note(a: torch.Tensor, *others: torch.Tensor) -> torch.Tensor:
        counts.append(int(a.count_nonzero()))
        return multiply(a, *others)

    monkeypatch.setattr(sparse_products, "multiply", note)
    return counts


@pytest.mark.numerics
@pytest.mark.parametrize("text", PRODUCTS)
def test_layers_before_a_relu_learn_as_in_real_caffe(caffe: CaffeWorker, every_sparse: list[int], text: str) -> None:
    """The ReLU lets few values through, and so few gradients."""
    whole = "force_backward: true\n" + input_layer("x", 2, 6, 5, 4) + text
    whole += layer("Power", "y", "moved", "power_param { shift: -3 }", "moved") + layer("ReLU", "moved", "r")
    assert_as_caffe(caffe, whole, make_random_inputs(whole), "TRAIN")
    assert len(every_sparse) == 2  # of the bottom, and of the weights
    assert every_sparse[0] > 0


def test_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAFFE_FCN_PRODUCTS", "blas")
    monkeypatch.setenv("CAFFE_FCN_CONVOLUTIONS", "direct")
    for density in DENSITIES:
        monkeypatch.setenv(SETTING, density)
        assert product_ways.find_libraries().density == density
    assert product_ways.find_libraries(learns=False).density == NEVER
    monkeypatch.setenv(SETTING, "35")
    with pytest.raises(EngineError, match=rf"^{SETTING}=35: no such choice \(.*30"):
        product_ways.find_libraries()


@pytest.mark.parametrize(
    ("ratios", "expected"),
    [((0.4, 0.6, 0.8, 1.1), "30"), ((0.4, 1.2, 1.3, 1.4), "10"), ((1, 1, 1, 1), NEVER), ((0.9, 0.9, 0.9, 0.9), "40")],
)
def test_the_largest_density_that_is_quicker_is_taken(
    monkeypatch: pytest.MonkeyPatch, ratios: tuple[float, ...], expected: str
) -> None:
    monkeypatch.setattr(product_ways, "_MEASURED_SPARSE", (4, 30, 70))
    monkeypatch.setattr(product_ways, "_find_quickest", lambda threads: products.PLAIN)
    seen: list[str] = []

    def measure(ways: dict[str, object]) -> dict[str, float]:
        seen.extend(ways)
        for way in ways.values():
            way()  # type: ignore[operator]
        return dict(zip(DENSITIES[1:], ratios, strict=True))

    monkeypatch.setattr(product_ways, "measure_ratios", measure)
    assert product_ways._measure_density() == expected
    assert tuple(seen) == DENSITIES
