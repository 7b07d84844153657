"""Findings as SARIF 2.1.0, which editors and CI systems show in their places.

The format: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from caffe_fcn.checks.rule import Finding, Level, Rule

_LEVELS = {Level.ERROR: "error", Level.WARNING: "warning", Level.HINT: "note"}


def to_sarif(findings: Sequence[Finding]) -> dict[str, Any]:
    """A SARIF log of one run."""
    rules = list(dict.fromkeys(finding.rule for finding in findings))
    driver = {
        "name": "caffe-fcn",
        "version": version("caffe-fcn"),
        "rules": list(map(_describe_rule, rules)),
    }
    results = [_describe(finding, rules.index(finding.rule)) for finding in findings]
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }


def _describe_rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.code,
        "name": rule.name,
        "shortDescription": {"text": rule.line},
        "fullDescription": {"text": rule.why},
        "defaultConfiguration": {"level": _LEVELS[rule.level]},
    }


def _describe(finding: Finding, index: int) -> dict[str, Any]:
    text = finding.what + (f" ({finding.mend})" if finding.mend else "")
    place: dict[str, Any] = {"artifactLocation": {"uri": quote(PurePath(finding.place.path).as_posix())}}
    if finding.place.line is not None:
        place["region"] = {"startLine": finding.place.line}
    return {
        "ruleId": finding.code,
        "ruleIndex": index,
        "level": _LEVELS[finding.level],
        "message": {"text": text},
        "locations": [{"physicalLocation": place}],
    }
