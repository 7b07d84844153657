"""MATLAB files read without SciPy: what SciPy writes reads as what it reads, and a damaged file is a ValueError."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import scipy.io
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from caffe_fcn.datasets.reference_layers import mat_files

TYPES = ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]


def written(compressed: bool = True, **content: Any) -> bytes:
    file = io.BytesIO()
    scipy.io.savemat(file, content, do_compression=compressed)
    return file.getvalue()


def labels(array: np.ndarray) -> np.ndarray:
    """A struct of one element as SBDD's, with a field before the one that is wanted."""
    content = np.zeros((1,), dtype=[("Boundaries", object), ("Segmentation", object), ("Categories", object)])
    content["Boundaries"][0] = np.array([[1, 2], [3, 4]], object)
    content["Segmentation"][0] = array
    content["Categories"][0] = "abc"
    return content


@given(
    st.sampled_from(TYPES).flatmap(
        lambda kind: (
            arrays.arrays(kind, st.tuples(*[st.integers(1, 6)] * 2), elements={"allow_nan": False})
            if kind[0] == "f"
            else arrays.arrays(kind, st.tuples(*[st.integers(1, 6)] * 2))
        )
    ),
    st.booleans(),
    st.sampled_from(["S", "LabelMap", "a_name_of_many_letters"]),
)
def test_matrices_are_those_that_scipy_wrote(array: np.ndarray, compressed: bool, name: str) -> None:
    data = written(compressed, **{"before": "text", name: array, "behind": np.arange(3), "struct": labels(array)})
    for found in (mat_files.read_matrix(data, name), mat_files.read_matrix(data, "struct", "Segmentation")):
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array)
        np.testing.assert_array_equal(found, scipy.io.loadmat(io.BytesIO(data))[name])


def test_what_is_no_matrix_is_told() -> None:
    data = written(S=np.zeros((2, 3, 4)), text="abc", struct=labels(np.zeros((2, 2))), c=np.ones((2, 2)) * 1j)
    for name, field, message in (
        ("S", None, "two dimensions"),
        ("c", None, "no matrix of numbers"),
        ("text", None, "no matrix of numbers"),
        ("T", None, "no matrix 'T'"),
        ("S", "Segmentation", "not a struct"),
        ("struct", "Segment", "no field 'Segment'"),
        ("struct", "Boundaries", "no matrix of numbers"),
    ):
        with pytest.raises(ValueError, match=message):
            mat_files.read_matrix(data, name, field)
    old = io.BytesIO()
    scipy.io.savemat(old, {"S": np.zeros((2, 3))}, format="4")
    with pytest.raises(ValueError, match="no MATLAB file of version 5"):
        mat_files.read_matrix(old.getvalue(), "S")


def test_a_file_that_inflates_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = written(S=np.zeros((300, 300)))
    monkeypatch.setattr(mat_files, "_MOST_BYTES", 1 << 16)
    with pytest.raises(ValueError, match="more than"):
        mat_files.read_matrix(data, "S")


@given(st.data())
def test_a_damaged_file_is_a_value_error(data: st.DataObject) -> None:
    content = bytearray(written(data.draw(st.booleans()), GTcls=labels(np.arange(20, dtype=np.uint8).reshape(4, 5))))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place : place + data.draw(st.sampled_from([0, 1, 4]))] = data.draw(st.binary(max_size=4))
    try:
        assert mat_files.read_matrix(bytes(content), "GTcls", "Segmentation").ndim == 2
    except ValueError as error:
        assert "\n" not in str(error)
