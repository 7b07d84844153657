"""Damaged inputs of every format are handled well, and the harness that says so notices when they are not."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="solver states are those of the torch engine (extra 'torch')")
pytest.importorskip("grpc_tools", reason="protobuf's own text parser comes with grpcio-tools")

from fuzz import harness, planted, regressions
from fuzz.case import COMPLETED, PAST, REFUSED, draw
from fuzz.formats import FORMATS

COUNT, SEED = 900, 10


def test_damaged_inputs_are_refused_in_a_line_or_read_right_and_a_fifth_gets_past_the_parsers():
    report = harness.run(harness.cases(list(FORMATS), COUNT, SEED))
    assert not report.findings, _told(report)
    assert sum(report.total.values()) == COUNT
    assert report.share_past >= 1 / 5, report.table()
    assert all(depths[PAST] + depths[COMPLETED] for depths in report.depths.values()), report.table()


def test_what_was_badly_handled_once_no_longer_is():
    report = harness.run(regressions.names())
    assert not report.findings, _told(report)


@pytest.fixture(scope="module")
def planted_report():
    return harness.run([f"1:{name}:0" for name in planted.FORMATS], "fuzz.planted", longest=3)


@pytest.mark.parametrize(
    ("form", "noticed"),
    [
        ("traceback", "parse: traceback"),
        ("killed", "death by SIGBUS"),
        ("hangs", "hangs for more than 3 s"),
        ("takes memory", "memory"),
        ("changes its input", "input changed"),
        ("leaves a file", "left behind in the working directory"),
        ("two lines", "parse: an error that is not one line to print"),
        ("another value", "_another_value: value changed"),
    ],
)
def test_the_harness_notices(planted_report, form, noticed):
    assert noticed in [finding.what for finding in planted_report.findings if finding.case == f"1:{form}:0"]


def test_the_harness_tells_how_far_an_input_came(planted_report):
    reached = {name: next(iter(depths)) for name, depths in planted_report.depths.items()}
    assert reached["refuses"] == REFUSED
    assert reached["is refused"] == PAST
    assert reached["completes"] == reached["accepts"] == COMPLETED
    assert not [finding for finding in planted_report.findings if finding.case.split(":")[1] in FINE]


FINE = ("refuses", "is refused", "completes", "accepts")


@pytest.mark.parametrize("form", FORMATS)
def test_a_case_is_the_same_each_time(form):
    assert draw(FORMATS[form], 3, 5)[1] == draw(FORMATS[form], 3, 5)[1]
    assert any(draw(FORMATS[form], 3, number)[1] != draw(FORMATS[form], 4, number)[1] for number in range(3))


def _told(report: harness.Report) -> str:
    lines = [f"{finding.case}: {finding.what}\n{finding.details[-500:]}" for finding in report.findings[:10]]
    return "\n".join([report.table(), *lines, "scripts/fuzz.sh --case CASE shows one"])
