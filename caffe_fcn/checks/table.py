"""The table of all rules, and the choice among them.

| codes | about | module |
|---|---|---|
| FCN10x | crops and joins | `crop_rules` |
| FCN11x | upscores | `upscore_rules` |
| FCN12x | losses, labels and classes | `loss_rules` |
| FCN13x | what Caffe builds | `graph_rules` |
| FCN14x | deployed nets, BatchNorm | `deploy_rules` |
| FCN15x | sizes and memory | `size_rules` |
| FCN2xx | weights | `weights_rules` |
| FCN3xx | solvers | `solver_rules` |
| FCN4xx | data sets | `data_rules` |
| FCN5xx | programs and devices that take Caffe's nets | `target_rules` |
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from caffe_fcn.checks import (
    crop_rules,
    data_rules,
    deploy_rules,
    graph_rules,
    loss_rules,
    size_rules,
    solver_rules,
    target_rules,
    upscore_rules,
    weights_rules,
)
from caffe_fcn.checks.rule import Rule
from caffe_fcn.errors import CaffeFcnError, nearest

RULES: tuple[Rule, ...] = (
    *crop_rules.RULES,
    *upscore_rules.RULES,
    *loss_rules.RULES,
    *graph_rules.RULES,
    *deploy_rules.RULES,
    *size_rules.RULES,
    *weights_rules.RULES,
    *solver_rules.RULES,
    *data_rules.RULES,
    *target_rules.RULES,
)


def find_rule(code: str) -> Rule:
    """The rule of a code or a name, such as ``FCN101`` or ``crop-offset``; raises `CaffeFcnError`."""
    known = {**{rule.code: rule for rule in RULES}, **{rule.name: rule for rule in RULES}}
    found = known.get(code.upper()) or known.get(code.lower())
    if found is None:
        raise CaffeFcnError(code, "no rule has this code", nearest(code, known) or "docs/checks.md lists them")
    return found


def choose_rules(select: Sequence[str] = (), ignore: Sequence[str] = (), cheap: bool = False) -> list[Rule]:
    """The rules whose codes begin with one of ``select`` (all, where it is empty) and with none of ``ignore``.

    The longer beginning wins: ``select=["FCN101"], ignore=["FCN1"]`` is FCN101. Names of rules stand for their codes.
    With ``cheap``, only those that look at headers. Raises `CaffeFcnError` for what no code begins with.
    """
    chosen, left_out = _read_codes(select), _read_codes(ignore)

    def is_chosen(rule: Rule) -> bool:
        ours, theirs = _match(rule, chosen), _match(rule, left_out)
        return (ours > 0 or not chosen) and not 0 < theirs >= ours

    return [rule for rule in RULES if (rule.cheap or not cheap) and is_chosen(rule)]


def _match(rule: Rule, codes: Iterable[str]) -> int:
    """How many characters of the rule's code are named."""
    return max((len(code) for code in codes if rule.code.startswith(code)), default=0)


def _read_codes(codes: Sequence[str]) -> list[str]:
    return [
        code.upper() if any(rule.code.startswith(code.upper()) for rule in RULES) and code else find_rule(code).code
        for code in codes
    ]
