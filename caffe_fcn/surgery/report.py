"""What became of every parameter in a transplant."""

from __future__ import annotations

from dataclasses import dataclass, field

from caffe_fcn.weights.tensors import Shape

# The fates of a parameter
COPIED = "copied"
RESHAPED = "reshaped"  # the same values under another shape, or on other channels
FILLED = "filled"  # the target's parameter had no values in the weights
DROPPED = "dropped"  # the weights' parameter has no place in the target
MISSING = "missing"  # the target's parameter is left out of the file, as `sparse` asks
FATES = (COPIED, RESHAPED, FILLED, DROPPED, MISSING)


@dataclass(frozen=True)
class Parameter:
    """The fate of one parameter; ``source`` is the (layer, index) that its values come from."""

    layer: str
    index: int
    shape: Shape
    fate: str
    reason: str = ""
    source: tuple[str, int] | None = None


@dataclass(frozen=True)
class Report:
    """Every parameter of the target in its order, then those of the weights that were dropped."""

    output: str
    parameters: list[Parameter] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """How many parameters had each fate.

        >>> report = Report("fcn.caffemodel", [Parameter("conv1", 0, (96, 3, 11, 11), COPIED)])
        >>> report.counts()
        {'copied': 1, 'reshaped': 0, 'filled': 0, 'dropped': 0, 'missing': 0}
        """
        return {fate: sum(each.fate == fate for each in self.parameters) for fate in FATES}
