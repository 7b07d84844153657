"""The card of a bundle: what the net is, how it scored, how an image becomes its input, what the files are.

It is Markdown (README.md), because whoever gets the files reads it in an editor or on a page. The program in it is all
that pycaffe needs to run the net; it does what `evaluation.preprocessing` does, to the last bit.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from caffe_fcn.description.model_json import Input, Model, Output

_CHANNELS = {
    "BGR": "blue, green, red",
    "RGB": "red, green, blue",
    "grey": "grey",
    "planes": "planes",
}
_KINDS = {
    "scores": "a score for each class; the largest is the class of the pixel",
    "probabilities": "the probability of each class",
    "classes": "the number of the class of each pixel",
    "grey": "grey values",
}


@dataclass(frozen=True)
class Card:
    """What a card says. ``sizes`` are the shapes of the inputs, ``outputs`` the blobs that the net answers with.

    ``fixed`` is whether images must have the size of the inputs. ``facts`` are further lines, such as a licence.
    """

    name: str
    model: Model
    sizes: Mapping[str, Sequence[int]]
    outputs: Sequence[str]
    weights: str
    mean_file: str | None
    fixed: bool
    checksums: Mapping[str, str]
    scores: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def write(self) -> str:
        """Return the card as Markdown."""
        parts = [
            f"# {self.name}\n",
            "A fully convolutional network for Caffe: `deploy.prototxt` is the net, "
            f"`{self.weights}` its weights, `model.json` what neither can say.\n",
            *self._describe_facts(),
            *self._describe_inputs(),
            *self._describe_outputs(),
            *self._describe_scores(),
            "## With pycaffe\n",
            "```python",
            *write_program(self),
            "```\n",
            "## Files\n",
            "SHA-256, as `sha256sum -c README.md` checks it:\n",
            *(f"    {digest}  {name}" for name, digest in sorted(self.checksums.items())),
            "",
        ]
        return "\n".join(parts)

    def _describe_facts(self) -> list[str]:
        facts = {"Data set": self.model.dataset, **self.facts}
        lines = [f"- {name}: {_one_line(value)}" for name, value in facts.items() if value]
        lines += [f"- {_one_line(note)}" for note in self.notes]
        return [*lines, ""] if lines else []

    def _describe_inputs(self) -> list[str]:
        rows = ["| blob | shape | channels | net gets |", "|---|---|---|---|"]
        for each in self.model.inputs:
            shape = " x ".join(map(str, self.sizes[each.blob]))
            shape += "" if self.fixed else " (height and width as the image has them)"
            rows.append(f"| `{each.blob}` | {shape} | {_CHANNELS[each.order]} | {_describe_transform(each)} |")
        return ["## Input\n", *rows, ""]

    def _describe_outputs(self) -> list[str]:
        rows = [f"- `{each.blob}`: {_KINDS[each.kind]}" for each in self.model.outputs]
        return ["## Output\n", *rows, "", *_list_classes(self.model.outputs[0])]

    def _describe_scores(self) -> list[str]:
        if not self.scores:
            return []
        rows = [f"| {name} | {value:.4f} |" for name, value in self.scores.items()]
        return ["## Scores\n", "| measure | value |", "|---|---|", *rows, ""]


def write_program(card: Card) -> list[str]:
    """Return the lines of a program for pycaffe that runs the net on an image."""
    lines = [
        "import caffe, numpy as np",
        "from PIL import Image",
        f'net = caffe.Net("deploy.prototxt", "{card.weights}", caffe.TEST)',
    ]
    for each in card.model.inputs:
        lines += _write_input(card, each)
    shown = next((each for each in card.model.outputs if each.blob in card.outputs), card.model.outputs[0])
    lines.append(f"{shown.kind} = net.forward()[{json.dumps(shown.blob)}][0]")
    return lines


def _write_input(card: Card, taken: Input) -> list[str]:
    """The lines that read an image into a blob."""
    single = len(card.model.inputs) == 1
    name = "image" if single else re.sub(r"\W", "_", taken.blob)
    height, width = card.sizes[taken.blob][-2:]
    size = f".resize(({width}, {height}))" if card.fixed else ""
    opened = f'Image.open("{name}.png")'
    if taken.channels == 1:
        read = f'np.float32({opened}.convert("L"){size})[None]'
    elif taken.channels == 3:
        flip = "" if taken.order in ("RGB", "planes") else "[::-1]"
        read = f'np.float32({opened}.convert("RGB"){size}).transpose(2, 0, 1){flip}'
    else:
        read = f'np.load("{name}.npy")'
    lines = [f"image = {read}"]
    if taken.mean_file is not None:
        lines += [
            f'blob = caffe.proto.caffe_pb2.BlobProto.FromString(open("{taken.mean_file}", "rb").read())',
            "mean = np.float32(caffe.io.blobproto_to_array(blob)[0])",
            "if mean.shape != image.shape:",
            "    mean = np.float32(mean.mean(axis=(1, 2), keepdims=True, dtype=np.float64))",
        ]
        changed = "image - mean"
    elif any(taken.mean or ()):
        changed = f"image - np.float32({_show(taken.mean or ())})" + "[:, None, None]"
    else:
        changed = "image"
    if taken.scale != 1:
        changed = (
            f"({changed}) * np.float32({taken.scale!r})"
            if changed != "image"
            else f"image * np.float32({taken.scale!r})"
        )
    return [
        *lines,
        f"net.blobs[{json.dumps(taken.blob)}].reshape(1, *image.shape)",
        f"net.blobs[{json.dumps(taken.blob)}].data[0] = {changed}",
    ]


def _describe_transform(taken: Input) -> str:
    if taken.mean_file is not None:
        transform = f"pixel - {taken.mean_file}"
    elif taken.mean is None:
        return "unknown: the mean that the net was trained with is not known"
    elif any(taken.mean):
        transform = f"pixel - ({', '.join(f'{each:g}' for each in taken.mean)})"
    else:
        transform = "pixel, 0 to 255"
    return transform if taken.scale == 1 else f"({transform}) * {taken.scale:g}"


def _list_classes(output: Output) -> list[str]:
    if not output.classes:
        return []
    names = ", ".join(f"{number} {_one_line(name)}" for number, name in enumerate(output.classes))
    ignored = "" if output.ignore_label is None else f" Label {output.ignore_label} was not learned."
    return [f"Classes: {names}.{ignored}", ""]


def _show(numbers: Iterable[float]) -> str:
    return f"[{', '.join(repr(float(each)) for each in numbers)}]"


def _one_line(text: str) -> str:
    return " ".join(text.split())
