"""What ``infer`` is to do, and what becomes of each image: plain values, which also travel between processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Job:
    """A net with its weights, the images (as `find_pictures` takes them), and the folder for what is written.

    ``inputs`` are folders for further inputs, ``options`` go to `engines.load`; ``mean``, ``scale`` and ``blob`` are as
    in `Settings`; ``palette`` is a file of colours.

    For each image NAME the label image NAME.png and NAME_overlay.png are written, the latter with a ``legend``;
    with ``probabilities`` also NAME_probabilities.npz (``probabilities``, float32, C x H x W, and the names in
    ``classes``); with a threshold ``above`` a mask NAME_above_NUMBER_CLASS.png, 0 or 255, for each class that has any
    pixel of a higher probability; with the folder ``truth`` of label images, or a data set, NAME_truth.png: photo,
    label and prediction side by side.

    ``resize`` (H, W) is the size at which the net sees an image. ``flip`` and ``scales`` average several predictions
    (see `averaging`). ``tile`` (H, W) runs an image in parts of at most this size (see `tiles`). Of a ``batch`` of
    images, those of one size go through the net at once (see `batches`). A classifier gives its ``top`` classes, in
    NAME.txt.
    """

    net: str
    weights: str | None
    images: Sequence[str]
    output: str
    inputs: Mapping[str, str] = field(default_factory=dict)
    engine: str = "auto"
    options: Mapping[str, Any] = field(default_factory=dict)
    mean: Any = None
    scale: float | None = None
    blob: str = ""
    palette: str | None = None
    legend: bool = True
    probabilities: bool = False
    above: float | None = None
    truth: str | None = None
    resize: Sequence[int] | None = None
    flip: bool = False
    scales: Sequence[float] = (1.0,)
    tile: Sequence[int] | None = None
    batch: int = 1
    top: int = 5

    def to_json(self) -> dict[str, Any]:
        """Return the job as a JSON object, of which ``Job(**content)`` makes it again."""
        return asdict(self)


@dataclass
class Outcome:
    """What became of an image: image number ``index`` of ``total``, in the file or record ``image``.

    ``files`` are what was written, by kind: label, overlay, truth, probabilities, top; ``masks`` those of classes.
    ``classes`` are those in the label, the most frequent first, each with class, name, pixels and share; ``grey`` is
    the least and the greatest value of a grey image; ``top`` are the best classes of a classifier, with class, name and
    probability. ``pixel_accuracy`` and ``mean_iu`` compare with the label, where there is one. ``notes`` are for the
    whole job, in its first outcome; ``note`` is for the image. ``error`` (where, what, mend) is why it was passed over.
    """

    index: int
    total: int
    image: str
    files: dict[str, str] = field(default_factory=dict)
    masks: dict[str, str] = field(default_factory=dict)
    classes: list[dict[str, Any]] = field(default_factory=list)
    grey: list[int] | None = None
    top: list[dict[str, Any]] = field(default_factory=list)
    pixel_accuracy: float | None = None
    mean_iu: float | None = None
    note: str = ""
    notes: list[str] = field(default_factory=list)
    error: list[str] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the outcome as a JSON object, of which ``Outcome(**content)`` makes it again."""
        return asdict(self)
