"""What is mended is mended: the rule no longer fires, and Caffe's own text stays as it was."""

from __future__ import annotations

from pathlib import Path

import check_examples
import pytest

from caffe_fcn import checks, proto
from caffe_fcn.checks import Rule
from caffe_fcn.checks.fixing import apply_edits, set_field, write_changes
from caffe_fcn.proto.positions import locate_fields

FIXABLE = ["FCN101", "FCN102", "FCN113", "FCN123"]


@pytest.mark.parametrize("code", FIXABLE)
def test_a_mended_example_has_no_such_finding(code: str, tmp_path: Path) -> None:
    rule: Rule = checks.find_rule(code)
    given = check_examples.write(rule.example, tmp_path, mended=False)
    write_changes(apply_edits(checks.run(**given, select=[code])))
    assert not checks.run(**given, select=[code])
    proto.read_net(given["net"])


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ("layer { a_param { b: 1 } }", "layer { a_param { b: 2 } }"),
        ("layer { a_param { c: 1 } }", "layer { a_param { c: 1 b: 2 } }"),
        ("layer { a_param { } }", "layer { a_param {  b: 2 } }"),
        ("layer {\n  c: 1  # so\n}", "layer {\n  c: 1\n  a_param { b: 2 }  # so\n}"),
        ("layer {\n  a_param {\n    c: 1\n  }\n}", "layer {\n  a_param {\n    c: 1\n    b: 2\n  }\n}"),
    ],
)
def test_a_field_is_set_where_it_belongs(text: str, mended: str) -> None:
    (layer,) = locate_fields(text)
    edit = set_field("", text, layer, "a_param.b", "2")
    assert text[: edit.begin] + edit.text + text[edit.end :] == mended
