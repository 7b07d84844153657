"""A report: a run with what is made for its page, and sentences for what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from caffe_fcn.pages.markup import Markup, make
from caffe_fcn.reports.predictions import ShownImage
from caffe_fcn.reports.run import Run

PREDICTIONS, STALE = "predictions", "newer scores"
"""What may be missing in a report, beside what may be missing in a run."""


@dataclass(frozen=True)
class Report:
    """A run with what was made for its page.

    ``commands`` say how to make what is missing, by the names of parts; ``versions`` are what made the report;
    ``missing`` has further reasons, as `Run.missing`.
    """

    run: Run
    images: Sequence[ShownImage] = ()
    commands: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)

    def explain(self, part: str, what: str) -> Markup:
        """Say that a part is missing, why, and which command makes it."""
        reason = self.missing.get(part) or self.run.missing.get(part)
        sentence = [f"{what} ({reason})." if reason else f"{what}."]
        if part in self.commands:
            sentence += [" Make it by ", make("code", self.commands[part])]
        return make("p", *sentence, class_="missing")
