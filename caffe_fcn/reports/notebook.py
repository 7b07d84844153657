"""How nets, tables, runs and predictions show themselves in a notebook.

Where IPython runs, `import caffe_fcn` registers what is in `FORMATS`; where IPython came later, `%load_ext caffe_fcn`
does. The types are registered by name, so that nothing is imported before something of it is shown. They are types of
rooms that know nothing of pages, and messages of protobuf, which can have no methods.

| what | is shown as |
|---|---|
| a net (NetParameter, NetSpec) | its topology |
| `offsets.Table` | a table |
| `training.History` | its curves |
| `evaluation.Evaluation` | its measures and classes |
| `evaluation.Prediction` | the image beside the prediction |
| `inspection.Look` | the figures of its blobs and parameters |
| `reports.run.Run`, `journey.Fit` | the figures of the run |
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from caffe_fcn.evaluation import Evaluation, Prediction
    from caffe_fcn.inspection import Look
    from caffe_fcn.journey import Fit
    from caffe_fcn.netspec.spec import NetSpec
    from caffe_fcn.offsets import Table
    from caffe_fcn.proto import NetParameter
    from caffe_fcn.reports.run import Run
    from caffe_fcn.training import History


class Format(NamedTuple):
    """How the objects of a type are shown; messages of protobuf have no module."""

    module: str | None
    type: str
    kind: str
    show: Callable[[Any], str | bytes | None]


def register_formats() -> None:
    """Register all formats in the IPython that runs, if one does."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is not None:
        load_ipython_extension(shell)


def load_ipython_extension(shell: Any) -> None:
    """Register all formats in an IPython; ``%load_ext caffe_fcn`` calls it."""
    for each in FORMATS:
        shell.display_formatter.formatters[each.kind].for_type_by_name(each.module, each.type, each.show)


def show_net(net: NetParameter) -> str | None:
    """Draw a net as SVG; None for a net of other modules, or one that cannot be drawn."""
    from caffe_fcn import proto
    from caffe_fcn.errors import CaffeFcnError
    from caffe_fcn.viz.net_svg import draw_net
    from caffe_fcn.viz.topology import topology

    if not isinstance(net, proto.NetParameter):
        return None
    try:
        return draw_net(topology(net))
    except CaffeFcnError:  # its text is shown all the same
        return None


def show_spec(spec: NetSpec) -> str | None:
    """Draw the net of a NetSpec as SVG."""
    return show_net(spec.to_proto())


def show_table(table: Table) -> str:
    """Show a scale/offset table."""
    from caffe_fcn.reports.sections.net import show_offset_table

    return show_offset_table(table)


def show_history(history: History) -> str:
    """Draw the curves of a training as SVG."""
    from caffe_fcn.viz.curves import draw_curves

    return draw_curves(history)


def show_evaluation(found: Evaluation) -> str:
    """Show measures and classes as tables."""
    from caffe_fcn.pages.markup import join, make_table
    from caffe_fcn.reports.run import BOUNDARY, MEASURES
    from caffe_fcn.reports.words import format_share

    scores = found.scores
    totals = [[title, format_share(getattr(scores, name))] for name, title in MEASURES.items() if name != BOUNDARY]
    each = zip(found.classes, scores.accuracy, scores.iu, strict=True)
    rows = [[name, format_share(accuracy), format_share(iu)] for name, accuracy, iu in each]
    count = f"{found.images} images"
    return join((make_table([count, ""], totals, [1]), make_table(["class", "accuracy", "IU"], rows, [1, 2])))


def show_prediction(found: Prediction) -> bytes:
    """Show the image and beside it the prediction: grey, or in the colours of PASCAL VOC over the image, as PNG."""
    import numpy as np
    from PIL import Image

    from caffe_fcn.datasets.records import images
    from caffe_fcn.datasets.records.palette import make_voc_palette
    from caffe_fcn.viz.labels import overlay_colours

    photo = np.asarray(images.to_pillow(found.image).convert("RGB"))
    if found.is_grey:
        shown = np.repeat(found.pixels.astype(np.uint8)[:, :, None], 3, axis=2)
    else:
        shown = overlay_colours(found.image, found.pixels, make_voc_palette())
    data = io.BytesIO()
    height = max(len(photo), len(shown))
    sides = [np.pad(each, ((0, height - len(each)), (0, 4), (0, 0)), constant_values=255) for each in (photo, shown)]
    Image.fromarray(np.concatenate(sides, axis=1)).save(data, "PNG")
    return data.getvalue()


def show_look(found: Look) -> str:
    """Show the figures of blobs and parameters as tables."""
    from caffe_fcn.net.geometry import dims
    from caffe_fcn.pages.markup import join, make_table
    from caffe_fcn.reports.words import format_number, format_share

    header = ["shape", "mean", "deviation", "lowest", "highest", "zeros"]
    named = [(blob.name, blob.shape, blob.statistics) for blob in found.blobs.values()]
    weights = [(f"{each.layer} {each.index}", each.shape, each.statistics) for each in found.parameters]
    tables = []
    for title, entries in (("blob", named), ("parameter", weights)):
        rows = [
            [
                name,
                dims(shape),
                *(format_number(value) for value in (each.mean, each.deviation, each.low, each.high)),
                format_share(each.zero_share),
            ]
            for name, shape, each in entries
        ]
        if rows:
            tables.append(make_table([title, *header], rows, range(2, 7)))
    return join(tables)


def show_run(run: Run) -> str:
    """Show where a run is, and its figures."""
    from caffe_fcn.pages.markup import make_table
    from caffe_fcn.reports.sections.scores import list_figures

    return make_table([run.name, ""], [[title, figure] for figure, title in list_figures(run)], [1])


def show_fit(fit: Fit) -> str:
    """Show the run that a journey made."""
    from caffe_fcn.reports.run import read_run

    return show_run(read_run(fit.run))


_HTML, _SVG, _PNG = "text/html", "image/svg+xml", "image/png"

FORMATS = (
    Format(None, "NetParameter", _SVG, show_net),
    Format("caffe_fcn.netspec.spec", "NetSpec", _SVG, show_spec),
    Format("caffe_fcn.offsets", "Table", _HTML, show_table),
    Format("caffe_fcn.training.history", "History", _SVG, show_history),
    Format("caffe_fcn.evaluation.results", "Evaluation", _HTML, show_evaluation),
    Format("caffe_fcn.evaluation.predict", "Prediction", _PNG, show_prediction),
    Format("caffe_fcn.inspection.activations", "Look", _HTML, show_look),
    Format("caffe_fcn.reports.run", "Run", _HTML, show_run),
    Format("caffe_fcn.journey.fitting", "Fit", _HTML, show_fit),
)
"""What is registered."""
