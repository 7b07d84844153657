from .rule import Finding, Level, Place, Rule
from .running import has_errors, raise_first_error, run
from .table import RULES, choose_rules, find_rule

__all__ = [
    "RULES",
    "Finding",
    "Level",
    "Place",
    "Rule",
    "choose_rules",
    "find_rule",
    "has_errors",
    "raise_first_error",
    "run",
]
