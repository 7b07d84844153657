"""Large products by either library: right, chosen as the setting or a measurement says, and kept by a training."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import outlines
import pytest
from caffe_worker import CaffeWorker
from product_layers import PRODUCTS
from prototxts import input_layer, layer
from torch_judge import assert_as_caffe, make_random_inputs, parse_net, torch
from trainings import MOMENTUM, losses, torch_train

from caffe_fcn.engines import solver_state
from caffe_fcn.engines.torch import Net, kernel_gradients, product_ways, products, winograd, winograd_ways
from caffe_fcn.engines.torch.product_ways import SETTING
from caffe_fcn.engines.torch.products import BLAS, LIBRARIES, ONEDNN, PLAIN, Libraries
from caffe_fcn.engines.torch.training.solver import Solver
from caffe_fcn.errors import EngineError, WeightsError

BY_ONEDNN = Libraries(*[ONEDNN] * 5)

pytestmark = pytest.mark.skipif(products.find_product() is None, reason="this torch has no product by oneDNN")


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("shape", [(1, 7, 5), (3, 64, 130), (64, 300, 33), (17, 1000, 256)])
def test_products_and_gradients_are_exact_up_to_their_roundings(library: str, shape: tuple[int, int, int]) -> None:
    """A sum of K products in any order is off by at most K roundings of the sum of their sizes (Higham 2002, 3.5)."""
    count, inputs, outputs = shape
    random = torch.Generator().manual_seed(0)
    rows, weights, gradient = (
        torch.randn(each, generator=random) for each in ((count, inputs), (outputs, inputs), (count, outputs))
    )
    given = [rows.clone().requires_grad_(), weights.clone().requires_grad_()]
    made = products.multiply(*given, Libraries(*[library] * 5))
    made.backward(gradient)
    for found, a, b in (
        (made, rows, weights),
        (given[0].grad, gradient, weights.T),
        (given[1].grad, gradient.T, rows.T),
    ):
        exact = a.double() @ b.double().T
        allowed = (a.shape[1] + 1) * 2.0**-24 * (a.double().abs() @ b.double().abs().T)
        assert found is not None and ((found.double() - exact).abs() <= allowed).all()


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("kind", ["Convolution", "InnerProduct"])
def test_a_second_batch_adds_its_gradients_in_place(kind: str, library: str, every_product: pytest.MonkeyPatch) -> None:
    """As iter_size has it: the gradient is the sum of those of the batches, and no second one of its size is made."""
    param = (
        f"{kind.replace('InnerP', 'inner_p').lower()}_param {{ num_output: 24 {'kernel_size: 3' * (kind[0] == 'C')} }}"
    )
    text = (
        input_layer("x", 2, 6, 3, 3)
        + layer(kind, "x", "y", param, "y")
        + layer("Reduction", "y", "loss", "loss_weight: 1")
    )
    every_product.setattr(products, "_ADDED", 1 << 10)
    made: list[int] = []
    compute = products.compute

    def note(*arguments: Any) -> torch.Tensor:
        result = compute(*arguments)
        made.append(result.numel())
        return result

    every_product.setattr(products, "compute", note)
    net = Net(parse_net(text), "train", libraries=Libraries(*[library] * 5))
    (weights, *_) = net.learnable
    random = np.random.default_rng(0)
    images = [random.normal(size=(2, 6, 3, 3)).astype(np.float32) for _ in range(2)]
    alone = []
    for image in images:
        weights.tensor.grad = None
        net.compute_gradients(x=image)
        assert weights.tensor.grad is not None
        alone.append(weights.tensor.grad.clone())
    made.clear()
    net.compute_gradients(x=images[0])
    assert max(made) < weights.tensor.numel() / 4
    torch.testing.assert_close(weights.tensor.grad, alone[0] + alone[1], rtol=1e-6, atol=1e-6)


@pytest.fixture
def every_product(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """All products count as large, and all images as larger than a part of them."""
    monkeypatch.setattr(kernel_gradients, "_PART", 1)
    monkeypatch.setattr(products, "_LEAST", 1)
    monkeypatch.setattr(products, "_LEAST_ROWS", 1)
    return monkeypatch


@pytest.mark.numerics
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    "text",
    [
        *PRODUCTS,
        layer("Convolution", "x", "y", "convolution_param { num_output: 8 kernel_size: 3 pad: 1 group: 2 }", "y"),
        layer("Convolution", "x", "y", "convolution_param { num_output: 4 kernel_h: 3 kernel_w: 2 pad_h: 3 }", "y"),
        layer("Convolution", "x", "y", "convolution_param { num_output: 4 kernel_size: 2 pad: 2 dilation: 3 }", "y"),
    ],
)
def test_layers_compute_as_in_real_caffe_by_either_library(
    caffe: CaffeWorker, every_product: pytest.MonkeyPatch, library: str, text: str
) -> None:
    every_product.setenv(SETTING, library)
    whole = "force_backward: true\n" + input_layer("x", 2, 6, 5, 4) + text
    assert_as_caffe(caffe, whole, make_random_inputs(whole), "TRAIN")


@pytest.fixture
def every_convolution(monkeypatch: pytest.MonkeyPatch) -> None:
    """All convolutions of 3 x 3 kernels count as wide."""
    for name in ("_LEAST_CHANNELS", "_LEAST_PIXELS", "_LEAST_PIXELS_OF_LARGE"):
        monkeypatch.setattr(winograd_ways, name, 1)
    for name in ("_LEAST_LEARNED", "_LEAST_GRADIENTS"):
        monkeypatch.setattr(winograd_ways, name, {})


@pytest.mark.numerics
@pytest.mark.usefixtures("every_convolution")
@pytest.mark.parametrize("way", winograd.WAYS)
@pytest.mark.parametrize("pad", [0, 1, 2, 4])
def test_wide_convolutions_learn_as_in_real_caffe(
    caffe: CaffeWorker, every_product: pytest.MonkeyPatch, way: str, pad: int
) -> None:
    every_product.setenv("CAFFE_FCN_CONVOLUTIONS", way)
    used = spy_on(every_product, winograd, "convolve", "compute_kernel_gradient")
    for bias in ("", "bias_term: false"):
        inside = f"convolution_param {{ num_output: 5 kernel_size: 3 pad: {pad} {bias} }}"
        whole = "force_backward: true\n" + input_layer("x", 2, 6, 7, 10) + layer("Convolution", "x", "y", inside, "y")
        assert_as_caffe(caffe, whole, make_random_inputs(whole), "TRAIN")
    assert set(used) == (set() if way == winograd.DIRECT else {"convolve", "compute_kernel_gradient"})


def spy_on(monkeypatch: pytest.MonkeyPatch, module: Any, *names: str) -> list[str]:
    """The names of a module's functions as they are called."""
    used: list[str] = []

    def replace(name: str) -> None:
        function = getattr(module, name)

        def note(*arguments: Any, **options: Any) -> Any:
            used.append(name)
            return function(*arguments, **options)

        monkeypatch.setattr(module, name, note)

    for name in names:
        replace(name)
    return used


@pytest.mark.usefixtures("every_convolution")
def test_kernels_that_do_not_learn_and_images_that_do(every_product: pytest.MonkeyPatch) -> None:
    """Frozen kernels get no gradient, the first bottom none either, and with fewer products neither is computed."""
    every_product.setenv("CAFFE_FCN_CONVOLUTIONS", "winograd")
    used = spy_on(every_product, winograd, "convolve", "compute_kernel_gradient")
    inside = "convolution_param { num_output: 4 kernel_size: 3 }"
    frozen = f"param {{ lr_mult: 0 }} param {{ lr_mult: 0 }} {inside}"
    text = (
        input_layer("x", 1, 3, 8, 8)
        + layer("Convolution", "x", "a", inside, "a")
        + layer("Convolution", "a", "b", frozen, "b")
        + layer("Reduction", "b", "loss", "loss_weight: 1")
    )
    net = Net(parse_net(text), "train")
    net.compute_gradients(x=np.ones((1, 3, 8, 8), np.float32))
    assert used == ["convolve", "convolve", "convolve", "compute_kernel_gradient"]


@pytest.mark.numerics
@pytest.mark.parametrize("count", [1, 2, 15])
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    "param", ["num_output: 9", "num_output: 9 bias_term: false", "num_output: 9 axis: 2 transpose: true"]
)
def test_few_rows_are_multiplied_as_in_real_caffe_by_either_library(
    caffe: CaffeWorker, monkeypatch: pytest.MonkeyPatch, library: str, count: int, param: str
) -> None:
    monkeypatch.setattr(products, "_LEAST_READ", 1)
    monkeypatch.setenv(SETTING, library)
    used = spy_on(monkeypatch, products, "compute")
    rows = "axis: 2" in param
    whole = input_layer("x", count, *((1, 12) if rows else (6, 5, 4)))
    whole += layer("InnerProduct", "x", "y", f"inner_product_param {{ {param} }}", "y")
    assert_as_caffe(caffe, whole, make_random_inputs(whole), backward=False)
    is_chosen = library == ONEDNN and not rows  # transposed weights are read as they were
    assert len(used) == is_chosen


def test_a_training_that_began_with_fewer_libraries_goes_on_with_them() -> None:
    assert product_ways.parse_libraries("onednn blas blas onednn") == Libraries(ONEDNN, BLAS, BLAS, ONEDNN, BLAS)


@pytest.mark.parametrize("lines", [1, 3, 100])
def test_gradients_of_kernels_are_those_of_torch(monkeypatch: pytest.MonkeyPatch, lines: int) -> None:
    """In float64, against torch's own gradient; an image is taken some lines at a time, which need not divide it."""
    random = torch.Generator().manual_seed(0)
    monkeypatch.setattr(kernel_gradients, "_count_lines", lambda size, height, most=0: min(lines, height))
    for kernel, pad, dilation, group in [
        ((3, 3), (1, 1), (1, 1), 1),
        ((2, 5), (0, 3), (1, 1), 2),
        ((3, 2), (4, 1), (2, 3), 3),
        ((1, 1), (0, 0), (1, 1), 1),
        ((7, 7), (8, 8), (1, 1), 1),
    ]:
        x = torch.randn((2, 6, 7, 8), generator=random, dtype=torch.float64)
        kernels = torch.randn((12, 6 // group, *kernel), generator=random, dtype=torch.float64).requires_grad_()
        y = torch.nn.functional.conv2d(x, kernels, None, 1, pad, dilation, group)
        gradient = torch.randn(y.shape, generator=random, dtype=torch.float64)
        (expected,) = torch.autograd.grad(y, kernels, gradient)
        for form in (torch.contiguous_format, torch.channels_last):
            given = [each.contiguous(memory_format=form) for each in (x, gradient)]
            options = (pad, dilation, group)
            for found in (
                kernel_gradients.compute_kernel_gradient(*given, kernels.shape, *options),
                kernel_gradients.add_up_kernel_gradient(*given, kernels.detach(), *options),
            ):
                torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file with what is known of machines, which is not there yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(SETTING, raising=False)
    monkeypatch.setattr(product_ways, "_MEASURED", (32, 64, 48))
    monkeypatch.setattr(product_ways, "_MEASURED_IMAGE", (8, 6))
    monkeypatch.setattr(product_ways, "_MEASURED_READ", (64, 48))
    monkeypatch.setenv("CAFFE_FCN_CONVOLUTIONS", "direct")
    monkeypatch.setenv("CAFFE_FCN_SPARSE_GRADIENTS", "0")
    product_ways._find_quickest.cache_clear()
    yield tmp_path / "caffe-fcn" / "products.json"
    product_ways._find_quickest.cache_clear()


def ask_again() -> Libraries:
    """The libraries that a new process finds."""
    product_ways._find_quickest.cache_clear()
    return product_ways.find_libraries()


def test_what_was_measured_is_kept_for_later_processes(cache: Path) -> None:
    found = product_ways.find_libraries()
    (machine,) = json.loads(cache.read_bytes())
    assert torch.__version__ in machine
    others = [ONEDNN if name == BLAS else BLAS for name in found[:5]]
    cache.write_text(json.dumps({machine: " ".join(others), "another machine": "blas blas blas blas blas"}))
    assert [*ask_again()[:5]] == others


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"a": 1}',
        b'{"a": "blas"}',
        b'{"a": "blas mkl blas blas"}',
        b'{"a": "blas blas blas"}',
        b'{"a": "blas blas blas blas"}',
        b"\xff",
        b'{"a": "b" * 9}',
    ],
)
def test_a_damaged_cache_is_ignored_and_mended(cache: Path, content: bytes) -> None:
    cache.parent.mkdir()
    cache.write_bytes(content)
    assert set(product_ways.find_libraries()[:5]) <= set(LIBRARIES)
    (names,) = json.loads(cache.read_bytes()).values()
    assert set(names.split()) <= set(LIBRARIES)


def test_a_cache_that_cannot_be_written_is_done_without(cache: Path) -> None:
    cache.parent.write_text("not a folder")
    assert set(product_ways.find_libraries()[:5]) <= set(LIBRARIES)


def test_the_setting_overrules_what_was_measured(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for library in LIBRARIES:
        monkeypatch.setenv(SETTING, library)
        assert ask_again() == Libraries(*[library] * 5)
    assert not cache.exists()
    monkeypatch.setenv(SETTING, "onedn")
    with pytest.raises(EngineError, match=rf"{SETTING}=onedn: no such library .*onednn"):
        product_ways.find_libraries()


def test_a_torch_without_the_operator_multiplies_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    for each in (products, product_ways):
        monkeypatch.setattr(each, "find_product", lambda: None)
    monkeypatch.setenv(SETTING, ONEDNN)
    assert product_ways.find_libraries()[:5] == PLAIN[:5]
    rows, weights = torch.randn(20, 30), torch.randn(10, 30)
    assert torch.equal(products.multiply(rows, weights, BY_ONEDNN), rows @ weights.T)


@pytest.mark.parametrize(("library", "way"), [(BLAS, winograd.BLAS), (ONEDNN, winograd.LARGE_ONEDNN)])
def test_a_training_keeps_the_libraries_that_it_began_with(
    place: Path, every_product: pytest.MonkeyPatch, every_convolution: None, library: str, way: str
) -> None:
    """Resumed under another setting, it does bit for bit what it would have done."""
    inside = "convolution_param { num_output: 6 kernel_size: 3 pad: 1 weight_filler { std: 0.05 } }"
    whole = outlines.data() + layer("Convolution", "data", "convolved", inside, "convolved")
    whole += layer(
        "InnerProduct",
        "convolved",
        "wide",
        "inner_product_param { num_output: 600 weight_filler { std: 0.05 } }",
        "wide",
    )
    whole += layer("InnerProduct", "label", "wanted", "inner_product_param { num_output: 600 }", "wanted")
    whole += layer("EuclideanLoss", "wide wanted", "loss", name="loss")
    (place / "net.prototxt").write_text(whole)
    options = {**MOMENTUM, "base_lr": 1e-4, "max_iter": 8, "snapshot": 4, "iter_size": 1}
    every_product.setenv(SETTING, library)
    every_product.setenv("CAFFE_FCN_CONVOLUTIONS", way)
    every_product.setenv("CAFFE_FCN_SPARSE_GRADIENTS", "40")
    straight = losses(torch_train(outlines.solver(place, **options)))
    saved = solver_state.read(place / "snap_iter_4.solverstate").position
    assert saved is not None and saved.libraries == " ".join([*[library] * 5, way, way, "40"])
    every_product.setenv(SETTING, BLAS if library == ONEDNN else ONEDNN)
    every_product.setenv("CAFFE_FCN_CONVOLUTIONS", "direct")
    every_product.setenv("CAFFE_FCN_SPARSE_GRADIENTS", "0")
    with Solver(
        outlines.solver(place, **options, snapshot_prefix="again"), snapshot="snap_iter_4.solverstate"
    ) as again:
        resumed = losses(list(again.solve()))
        assert again.libraries == Libraries(*[library] * 5, way, way, "40")
    assert resumed.tolist() == straight[4:].tolist()
    once, twice = (outlines.weights(place / f"{name}_iter_8.caffemodel") for name in ("snap", "again"))
    assert all(np.array_equal(once[name], twice[name]) for name in once)


def test_a_snapshot_of_unknown_libraries_is_refused(place: Path) -> None:
    torch_train(outlines.solver(place, max_iter=1), weights=["start.caffemodel"])
    path = place / "snap_iter_1.solverstate"
    state = path.read_bytes()
    assert b'"blas' in state or b'"onednn' in state
    path.write_bytes(state.replace(b'"libraries": "blas', b'"libraries": "blaz').replace(b'"onednn', b'"oneznn'))
    with pytest.raises(WeightsError, match="are no libraries for products"):
        Solver(place / "solver.prototxt", snapshot=path)


def test_other_threads_are_another_machine(cache: Path) -> None:
    threads = torch.get_num_threads()
    product_ways.find_libraries()
    try:
        torch.set_num_threads(threads + 1)
        ask_again()
    finally:
        torch.set_num_threads(threads)
    assert len(json.loads(cache.read_bytes())) == 2
    assert list(cache.parent.iterdir()) == [cache]
