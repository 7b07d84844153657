"""FCN131 to FCN139: whether Caffe builds the net at all, and builds what was meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from google.protobuf.descriptor import Descriptor

from caffe_fcn.checks.crop_rules import cuts_too_much
from caffe_fcn.checks.example_nets import conv, image, label, loss, pointwise
from caffe_fcn.checks.forms import claim_failures, on_forms
from caffe_fcn.checks.loss_rules import compares_labels
from caffe_fcn.checks.net_file import Failure, Form
from caffe_fcn.checks.rule import HERE, Example, Level, Place, Problem, Rule
from caffe_fcn.checks.subject import Subject
from caffe_fcn.errors import nearest
from caffe_fcn.net.graph import Blob, Node
from caffe_fcn.net.layer_types import LAYER_TYPES, layer_type
from caffe_fcn.net.shared_parameters import SharingError
from caffe_fcn.proto.dialects.table import FORKS, PRIVATE, fork_fields, is_bvlcs_type, layer_types
from caffe_fcn.proto.positions import Field


def find_unknown_types(form: Form) -> Iterator[Problem]:
    """Layers of types that BVLC's Caffe does not have."""
    for node in form.nodes:
        if not is_bvlcs_type(node.type):
            forks = next((row.forks for row in layer_types() if row.name == node.type), ())
            mend = _name_forks(forks) or nearest(node.type, LAYER_TYPES)
            yield form.report(node, "is of a type that BVLC's Caffe does not have", mend, "type")


def find_unknown_fields(subject: Subject) -> Iterator[Problem]:
    """Fields that BVLC's Caffe does not have: those of forks, and those that nobody has."""
    for net in subject.nets:
        for message, field in _unknown_fields(net.fields, net.original.DESCRIPTOR):
            forks = next((row.forks for row in fork_fields() if (row.message, row.name) == (message, field.name)), {})
            what = f"{message} has no field '{field.name}' in BVLC's Caffe, which refuses the net"
            yield Problem(Place(net.path, field.line), what, _name_forks(forks) or "remove it, or correct its name")
        for note in net.unknown_fields:
            if note.value:
                path, line, _ = note.where.rsplit(":", 2)
                what = (
                    f"{note.message}'s {note.name} has no value '{note.value}' in BVLC's Caffe, which refuses the net"
                )
                yield Problem(Place(path, int(line)), what, "remove it")


def _unknown_fields(fields: Sequence[Field], descriptor: Descriptor) -> Iterator[tuple[str, Field]]:
    """The fields of a text that are not BVLC's, each with its message; not those within such a field."""
    for field in fields:
        known = descriptor.fields_by_name.get(field.name)
        if known is None or known.number >= PRIVATE:
            yield descriptor.name, field
        elif known.message_type is not None:
            yield from _unknown_fields(field.fields, known.message_type)


def _name_forks(forks: Iterable[str]) -> str:
    names = [FORKS.get(fork, fork) for fork in forks]
    if not names:
        return ""
    more = ", ..." if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more} have it: run it there, or let caffe-fcn net upgrade convert it"


def find_broken_graphs(form: Form) -> Iterator[Problem]:
    """Nets whose layers read blobs that do not exist, or that do not exist yet."""
    return claim_failures(form, lambda failure: failure.node is None)


def find_sharing_errors(form: Form) -> Iterator[Problem]:
    """Layers that share a parameter which they cannot share."""
    return claim_failures(form, lambda failure: isinstance(failure.error, SharingError))


def find_other_misfits(form: Form) -> Iterator[Problem]:
    """Layers that cannot read what they are given."""
    return claim_failures(form, _is_a_plain_misfit)


def _is_a_plain_misfit(failure: Failure) -> bool:
    node = failure.node
    if node is None or _has_unknown_type(failure) or isinstance(failure.error, SharingError):
        return False
    return not (cuts_too_much(node) or compares_labels(node))


def _has_unknown_type(failure: Failure) -> bool:
    return failure.node is not None and failure.node.type not in LAYER_TYPES


def find_shared_blobs(form: Form) -> Iterator[Problem]:
    """In-place layers on blobs that other layers read as well."""
    for node, old in _changed_blobs(form):
        others = [reader for reader in old.readers if reader is not node]
        if others:
            what = f"changes '{old.name}' in place, which {others[0]} reads as well"
            yield form.report(node, what, _MEND, "top")


def find_destroyed_blobs(form: Form) -> Iterator[Problem]:
    """In-place layers that change what the layer before them needs for its gradient."""
    for node, old in _changed_blobs(form):
        if layer_type(old.maker.type).gradient_reads_top:
            what = f"changes '{old.name}' in place, which {old.maker} needs for its gradient"
            yield form.report(node, what, _MEND, "top")


def _changed_blobs(form: Form) -> Iterator[tuple[Node, Blob]]:
    """The layers that write where they read, each with the blob that it overwrites."""
    for node in form.nodes:
        for old, new in zip(node.bottoms, node.tops, strict=False):
            if old.name == new.name:
                yield node, old


_MEND = "give its top a name of its own"


def find_duplicate_names(form: Form) -> Iterator[Problem]:
    """Layers that have the name of an earlier one."""
    for name in form.duplicates:
        what = f"a second layer is named '{name.rpartition(' ')[0]}': weights go to the first alone"
        yield Problem(form.locate(name, "name"), what, "rename one of them")


def find_old_formats(subject: Subject) -> Iterator[Problem]:
    """Nets of formats that Caffe upgrades when it reads them."""
    for net in subject.nets:
        if net.original.layers:
            yield Problem(
                net.locate("layers"),
                "is of an older format ('layers'), which other programs refuse",
                "caffe-fcn net upgrade",
            )
        elif net.original.input:
            yield Problem(net.locate("input"), "gives its input by the old field 'input'", "caffe-fcn net upgrade")


_SCORES = image() + conv("score", "data", "num_output: 5 kernel_size: 1")

RULES = (
    Rule(
        "FCN131",
        "unknown-type",
        Level.ERROR,
        "BVLC's Caffe has no layer of this type",
        "Forks of Caffe have layers of their own (Interp, BN, Upsample, AutoCrop, ...), and types are spelled with "
        "capitals. Caffe stops at a type that it does not know; what lies behind such a layer is not checked.",
        on_forms(find_unknown_types),
        Example({"net.prototxt": _SCORES + pointwise(HERE, "score", "large")}, 'type: "Interp"', 'type: "ReLU"'),
    ),
    Rule(
        "FCN132",
        "unknown-field",
        Level.ERROR,
        "BVLC's Caffe has no such field",
        "Caffe refuses a prototxt with a field that its schema does not have: one of a fork (interp_param, bn_param, "
        "reorg_param, ...), one of a newer Caffe than the one at hand, or a misspelt one.",
        find_unknown_fields,
        Example(
            {"net.prototxt": _SCORES + pointwise('type: "Power"', "score", "shifted", HERE)},
            "interp_param { zoom_factor: 2 }",
            "power_param { shift: 2 }",
        ),
    ),
    Rule(
        "FCN133",
        "broken-graph",
        Level.ERROR,
        "the layers do not make a net",
        "A layer reads a blob that no layer before it makes, or makes one that there is already; or its rules for "
        "phases contradict each other. In a net of several phases, it is often a layer that one phase leaves out.",
        on_forms(find_broken_graphs),
        Example({"net.prototxt": _SCORES + pointwise('type: "ReLU"', HERE, "active")}, "scores", "score"),
    ),
    Rule(
        "FCN134",
        "misfit",
        Level.ERROR,
        "a layer cannot read the blobs that it is given",
        "The kernel is larger than the image, groups do not divide the channels, summands differ in shape, a setting "
        "is missing. Caffe stops when it sets the layer up.",
        on_forms(find_other_misfits),
        Example(
            {"net.prototxt": image() + conv("conv", "data", f"num_output: 6 kernel_size: 3 {HERE}")},
            "group: 2",
            "group: 3",
        ),
    ),
    Rule(
        "FCN135",
        "shared-parameter",
        Level.ERROR,
        "layers share a parameter and cannot",
        "Layers whose params have one name share the memory of the first, so they need its shape, and cannot have "
        "another rate.",
        on_forms(find_sharing_errors),
        Example(
            {
                "net.prototxt": image()
                + conv("a", "data", "num_output: 4 kernel_size: 3 bias_term: false", 'param { name: "kernels" }')
                + conv("b", "data", f"num_output: 4 {HERE} bias_term: false", 'param { name: "kernels" }')
            },
            "kernel_size: 5",
            "kernel_size: 3",
        ),
    ),
    Rule(
        "FCN136",
        "shared-blob",
        Level.ERROR,
        "an in-place layer changes a blob that another layer reads",
        "A layer that writes where it reads saves memory, and needs the blob for itself. Where another layer reads it "
        'before, Caffe splits the blob in two, and stops: "Top blob produced by multiple sources".',
        on_forms(find_shared_blobs),
        Example(
            {
                "net.prototxt": _SCORES
                + conv("more", "score", "num_output: 5 kernel_size: 1")
                + pointwise('type: "ReLU"', "score", HERE, name="relu")
                + f'layer {{ name: "sum" type: "Eltwise" bottom: "more" bottom: "{HERE}" top: "sum" }}\n'
            },
            "score",
            "active",
        ),
    ),
    Rule(
        "FCN137",
        "duplicate-name",
        Level.HINT,
        "two layers have one name",
        "It is legal, and weights are found by the layer's name: the first of the two gets them, the second keeps "
        "what its filler gave.",
        on_forms(find_duplicate_names),
        Example({"net.prototxt": _SCORES + pointwise('type: "ReLU"', "score", "active", name=HERE)}, "score", "fine"),
    ),
    Rule(
        "FCN138",
        "old-format",
        Level.HINT,
        "the net is of an older format",
        "Caffe upgrades nets with `layers` and `input` fields when it reads them. Converters and the tools of cameras "
        "often do not: `caffe-fcn net upgrade` writes the same net in the current format.",
        find_old_formats,
        Example(
            {"net.prototxt": f'{HERE}layer {{ name: "relu" type: "ReLU" bottom: "data" top: "relu" }}\n'},
            'input: "data" input_dim: 1 input_dim: 3 input_dim: 64 input_dim: 64\n',
            image(),
        ),
    ),
    Rule(
        "FCN139",
        "destroyed-blob",
        Level.ERROR,
        "an in-place layer changes what a gradient needs",
        "Sigmoid, TanH, Softmax, ELU, Exp and LRN compute their gradient from what they made. A layer that overwrites "
        "it changes the gradient of everything before, and nothing else: the loss looks right, and Caffe says nothing.",
        on_forms(find_destroyed_blobs, lambda form: form.trains),
        Example(
            {
                "train.prototxt": image()
                + label()
                + conv("features", "data", "num_output: 5 kernel_size: 1")
                + pointwise('type: "Sigmoid"', "features", "active")
                + pointwise('type: "Power"', "active", HERE, "power_param { scale: 3 }", "scaled")
                + loss(HERE)
            },
            "active",
            "scaled",
        ),
    ),
)
