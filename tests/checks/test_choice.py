"""Rules are chosen by their codes, and the longer beginning wins."""

from __future__ import annotations

import pytest

from caffe_fcn import checks
from caffe_fcn.errors import CaffeFcnError


def codes(**choice: list[str]) -> set[str]:
    return {rule.code for rule in checks.choose_rules(**choice)}


def test_all_rules_are_chosen_unless_some_are() -> None:
    assert codes() == {rule.code for rule in checks.RULES}
    assert codes(select=["FCN101"]) == {"FCN101"}
    assert codes(select=["crop-offset"]) == {"FCN101"}
    assert codes(select=["fcn10"]) == {code for code in codes() if code.startswith("FCN10")}


def test_the_longer_beginning_wins() -> None:
    assert codes(select=["FCN101"], ignore=["FCN1"]) == {"FCN101"}
    assert "FCN101" not in codes(select=["FCN1"], ignore=["FCN101"])
    assert codes() - codes(ignore=["FCN101"]) == {"FCN101"}
    assert not codes(select=["FCN101"], ignore=["FCN101"])


@pytest.mark.parametrize("choice", ["select", "ignore"])
def test_a_code_that_does_not_exist_is_an_error_with_the_nearest(choice: str) -> None:
    with pytest.raises(CaffeFcnError, match="crop-offset"):
        codes(**{choice: ["crop-ofset"]})
