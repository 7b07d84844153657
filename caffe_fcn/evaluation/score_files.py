"""``scores.json`` in the folder of a run: the scores of its net, as ``evaluate --json`` prints them."""

from __future__ import annotations

from pathlib import Path

from caffe_fcn import files, strict_json
from caffe_fcn.errors import FileError

FILE = "scores.json"

_MEASURES = {
    "mean IU": "mean_iu",
    "pixel accuracy": "pixel_accuracy",
    "mean accuracy": "mean_accuracy",
    "frequency-weighted IU": "frequency_weighted_iu",
}
_SCORES = strict_json.object_of(
    {"weights": strict_json.text, **dict.fromkeys(_MEASURES.values(), strict_json.number)},
    required=("weights", *_MEASURES.values()),
)


def read_scores(run: Path, weights: Path) -> dict[str, float]:
    """Return the measures in a run's ``scores.json``; none where there is no such file, or it is of other weights.

    Raises `FileError` where it has no scores.
    """
    path = run / FILE
    if not path.is_file():
        return {}
    try:
        content = strict_json.parse(files.read_bytes(path))
        _SCORES(content, "")
    except ValueError as error:
        raise FileError(path, f"has no scores: {error}", "remove it, or evaluate the net again") from error
    return {name: content[key] for name, key in _MEASURES.items()} if content["weights"] == weights.name else {}
