"""What labels in colours need: the error that lists their colours, and the command that declares them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from caffe_fcn.datasets.records import images
from caffe_fcn.datasets.records.colour_counts import count_colours, describe_counts, write_command, write_lines
from caffe_fcn.datasets.records.faults import Fault
from caffe_fcn.datasets.records.labels import MissingColoursError
from caffe_fcn.datasets.records.palette import Colour
from caffe_fcn.datasets.records.stores import Store

_MOST = 256  # classes: a label has 8 bits
_READ = 200  # labels, evenly spaced: more of them hardly show another colour


def explain_missing_colours(labels: Sequence[tuple[Store, str]]) -> MissingColoursError:
    """Return the error of labels in colours without a file of colours.

    Labels that cannot be decoded are passed over.
    """
    chosen = labels[:: -(-len(labels) // _READ)]
    counts: Counter[Colour] = Counter()
    for store, name in chosen:
        try:
            data, where = store.read(name), store.locate(name)
            counts += count_colours(images.load(images.open_header(data, where), where).convert("RGB"))
        except Fault:  # the build, with the colours, will come to this file
            continue
    if len(counts) > _MOST:
        what = f"have {len(counts)} colours, more than there can be classes"
        return MissingColoursError("labels", what, "write one colour a class, without smoothed edges")
    sample = f"{len(chosen)} of {len(labels)}" if len(chosen) < len(labels) else "all"
    what = f"have colours, and nothing says which class each is; {sample} labels hold {describe_counts(counts)}"
    mend = f"declare the colours in the order of your classes, and name the file as `colours`: {write_command(counts)}"
    return MissingColoursError("labels", what, mend, write_lines(counts))
