"""The page of a look into a net: activations, weights, first filters, each under a tab."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from caffe_fcn.datasets.records import images
from caffe_fcn.inspection import BlobNumbers, Look, ParameterNumbers, Statistics
from caffe_fcn.inspection.filters import Filters
from caffe_fcn.inspection.sheets import Sheet, encode_png
from caffe_fcn.net.geometry import dims
from caffe_fcn.pages.markup import Markup, join, make, make_cards, make_facts, make_table
from caffe_fcn.pages.skeleton import embed_json, encode_picture, read_document_style, read_fragment, render_page
from caffe_fcn.reports.words import format_count, format_number, format_share
from caffe_fcn.viz.histograms import draw_histogram, draw_small_histogram

_MOST_NAMED = 24  # channels that are named in a row
_LONGEST_PHOTO = 320  # pixels of the image as it is shown


def render_look(found: Look) -> str:
    """Render the page of a look; returns HTML that loads nothing."""
    tabs = list(_make_tabs(found))
    parts = {
        "style": read_document_style(),
        "heading": _make_heading(found),
        "tabs": join(_make_tab(name, number) for number, (name, _) in enumerate(tabs)),
        "panels": join(_make_panel(content, number) for number, (_, content) in enumerate(tabs)),
    }
    fragment = read_fragment(Path(__file__).with_name("look.html"))
    return render_page(f"{found.net} with {found.weights}", fragment, **parts)


def _make_tabs(found: Look) -> Iterator[tuple[str, Markup]]:
    if found.blobs:
        yield "Activations", _show_activations(found)
    yield "Weights", _show_weights(found.parameters)
    if found.filters:
        yield "Filters", _show_filters(found.filters)


def _make_tab(name: str, number: int) -> Markup:
    about = {"aria_selected": "false" if number else "true", "tabindex": -1 if number else 0}
    return make("button", name, id=f"tab-{number}", role="tab", aria_controls=f"panel-{number}", **about)


def _make_panel(content: Markup, number: int) -> Markup:
    return make("section", content, id=f"panel-{number}", role="tabpanel", aria_labelledby=f"tab-{number}")


def _make_heading(found: Look) -> Markup:
    image = f"image {found.image}" if found.image else "weights alone: name an image to see activations"
    lines = [f"weights {found.weights} · {image}", *found.notes]
    return join((make("h1", found.net), *(make("p", line) for line in lines)))


# Activations


def _show_activations(found: Look) -> Markup:
    blobs = list(found.blobs.values())
    dead = sum(len(blob.dead) for blob in blobs)
    broken = sum(blob.statistics.not_finite for blob in blobs)
    cards = [
        (f"{len(blobs)}", "blobs made by the net"),
        (f"{dead:,}", "dead channels: zero everywhere in this image"),
        (f"{broken:,}", "values that are not finite"),
    ]
    chooser = make("nav", *(_make_entry(blob, number) for number, blob in enumerate(blobs)), aria_label="Blobs")
    details = make("div", *(_show_blob(blob, number) for number, blob in enumerate(blobs)), class_="details")
    controls = make(
        "div",
        _make_choice("range", "Range", ["of each channel", "of the whole blob"]),
        _make_choice("colours", "Colours", ["by sign", "grey"]),
        class_="controls",
    )
    photo = _show_photo(found)
    return join(
        (
            make("div", photo, make_cards(cards), class_="start"),
            controls,
            make("div", chooser, details, class_="layout"),
        )
    )


def _show_photo(found: Look) -> Markup:
    if found.photo is None:
        return Markup()
    picture = images.to_pillow(found.photo).convert("RGB")
    picture.thumbnail((_LONGEST_PHOTO, _LONGEST_PHOTO))
    import numpy as np

    return make("img", src=encode_picture(encode_png(np.asarray(picture))), alt="The image", class_="photo")


def _make_choice(name: str, label: str, options: Sequence[str]) -> Markup:
    return make("label", label, " ", make("select", *(make("option", each) for each in options), id=name))


def _make_entry(blob: BlobNumbers, number: int) -> Markup:
    about = f"{dims(blob.shape)} · {format_share(blob.statistics.zero_share)} zeros"
    return make(
        "button",
        make("b", blob.name),
        make("span", about),
        type="button",
        data_blob=number,
        aria_current="false" if number else "true",
        tabindex=-1 if number else 0,
    )


def _show_blob(blob: BlobNumbers, number: int) -> Markup:
    first, *others = blob.makers
    made = f"Made by {first}."
    if others:
        made = f"Made by {first}, then changed in place by {', '.join(others)}: what is shown is what was left."
    facts = [
        ("shape", dims(blob.shape) or "one value"),
        *_list_figures(blob.statistics),
        ("dead channels", _name_channels(blob.dead)),
        ("constant channels", _name_channels(blob.constant)),
    ]
    head = make("div", make_facts(facts), _show_histogram(blob.statistics, f"Values of {blob.name}"), class_="numbers")
    sheet = _embed_sheet(blob, blob.sheet) if blob.sheet else make("p", "It has no values.", class_="missing")
    return make("article", make("h2", blob.name), make("p", made, class_="soft"), head, sheet, id=f"blob-{number}")


def _embed_sheet(blob: BlobNumbers, sheet: Sheet) -> Markup:
    shown = len(sheet.numbers)
    text = format_count(shown, "channel")
    if shown < sheet.total:
        text = f"The {shown} of {sheet.total} channels that vary most"
    if sheet.total == 1 and len(blob.shape) > 1 and blob.shape[1] > 1:
        text = "One value for each channel, row by row"
    note = make("p", f"{text}. Choose one to enlarge it.", class_="soft")
    grid = make("div", class_="channels", data_sheet=encode_picture(sheet.png), data_about=_describe_sheet(sheet))
    return join((note, grid))


def _describe_sheet(sheet: Sheet) -> str:
    ranges = [[float(f"{value:.6g}") for value in each] for each in sheet.ranges]
    about = {"width": sheet.width, "height": sheet.height, "columns": sheet.columns}
    return embed_json({**about, "numbers": sheet.numbers, "ranges": ranges})


def _list_figures(found: Statistics) -> list[tuple[str, str]]:
    figures = [
        ("mean", format_number(found.mean)),
        ("deviation", format_number(found.deviation)),
        ("range", f"{format_number(found.low)} to {format_number(found.high)}"),
        ("zeros", format_share(found.zero_share)),
    ]
    return figures + ([("not finite", f"{found.not_finite:,}")] if found.not_finite else [])


def _show_histogram(found: Statistics, label: str) -> Markup:
    if not found.histogram:
        return make("p", "There is no histogram of values that are not finite.", class_="missing")
    return draw_histogram(found.histogram, found.low, found.high, label)


def _name_channels(numbers: Sequence[int]) -> str:
    if not numbers:
        return "none"
    named = ", ".join(map(str, numbers[:_MOST_NAMED]))
    return f"{len(numbers)}: {named}" + (", ..." if len(numbers) > _MOST_NAMED else "")


# Weights


def _show_weights(parameters: Sequence[ParameterNumbers]) -> Markup:
    total = sum(each.statistics.count for each in parameters)
    zeros = sum(each.statistics.zeros for each in parameters)
    cards = [
        (f"{total:,}", f"weights in {format_count(len(parameters), 'parameter')}"),
        (format_share(zeros / total if total else 0), "of them are zero"),
        (f"{sum(each.zero_rows for each in parameters):,}", "rows of zeros, along the first axis"),
        (f"{sum(each.statistics.not_finite for each in parameters):,}", "values that are not finite"),
    ]
    header = ["layer", "parameter", "shape", "values", "mean", "deviation", "lowest", "highest", "zeros", "zero rows"]
    rows = [_make_row(each) for each in parameters]
    note = make("p", "Heights of bars are square roots of counts. Positions count from 0.", class_="soft")
    table = make_table([*header, "largest, with its position"], rows, range(4, 10), label="Parameters")
    return join((make_cards(cards), note, table))


def _make_row(each: ParameterNumbers) -> list[object]:
    found = each.statistics
    figures = [format_number(value) for value in (found.mean, found.deviation, found.low, found.high)]
    bars = draw_small_histogram(found.histogram, f"Values of {each.layer}, parameter {each.index}")
    row = [each.layer, each.index, dims(each.shape), bars, *figures, format_share(found.zero_share), each.zero_rows]
    return [*row, _list_largest(each)]


def _list_largest(each: ParameterNumbers) -> Markup:
    """Return the largest weight, and the further ones behind a click."""
    lines = [f"{value:.4g} at {', '.join(map(str, position))}" for position, value in each.largest]
    if len(lines) < 2:
        return make("span", *lines)
    return make("details", make("summary", lines[0]), *(make("div", line) for line in lines[1:]))


# Filters


def _show_filters(filters: Filters) -> Markup:
    shown = format_count(filters.count, "filter")
    of = f" of {filters.total}" if filters.count < filters.total else ""
    kind = "" if filters.planes == 1 else f", a picture for each of {filters.planes} channels that it reads"
    text = f"{shown}{of} of layer {filters.layer}{kind}. In each, the smallest weight is dark and the largest bright."
    about = {"width": filters.width, "height": filters.height, "columns": filters.columns, "planes": filters.planes}
    grid = make(
        "div",
        class_="channels filters",
        data_sheet=encode_picture(filters.png),
        data_about=embed_json({**about, "numbers": list(range(filters.count * filters.planes))}),
    )
    return join((make("h2", f"Filters of {filters.layer}"), make("p", text, class_="soft"), grid))
