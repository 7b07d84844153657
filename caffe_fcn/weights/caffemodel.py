"""Caffe's own weights files: a NetParameter whose layers carry BlobProtos (`blobs`).

Reading walks keys and lengths and never touches the numbers, so that it takes as long for a file of 3 GB,
which protobuf refuses, as for one of 3 KB. There are three generations of the format:

- current: NetParameter.layer (100), blobs with a BlobShape;
- V1: NetParameter.layers (2), blobs of num x channels x height x width (a bias is 1x1x1xN);
- V0: a layer nested inside V1's.

`caffemodel_writing` writes the current one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from caffe_fcn.errors import WeightsError
from caffe_fcn.net.geometry import dims
from caffe_fcn.proto import checking, wire
from caffe_fcn.proto.wire import BYTES, VARINT, Field, WireError
from caffe_fcn.weights.blobs import parse_blob, read_blob
from caffe_fcn.weights.input_file import DAMAGED, InputFile
from caffe_fcn.weights.layers import Layer, Weights, locate
from caffe_fcn.weights.tensors import Tensor

# No net comes near these numbers. A file beyond them is damaged, or made to cost more memory than it has bytes.
_MOST_LAYERS = 1 << 20
_LARGEST_DEFINITION = 1 << 20


class _Generation(NamedTuple):
    """What one generation of the format calls a layer, and the numbers of that message's fields."""

    format: str
    message: str
    name: int
    blobs: int
    type: int = 0  # 0 where the type is an enum and not a name


# By the number of the field that holds a layer: NetParameter.layer, NetParameter.layers, V1LayerParameter.layer
_CURRENT, _V1, _V0 = 100, 2, 1
_GENERATIONS = {
    _CURRENT: _Generation("caffemodel", "LayerParameter", name=1, blobs=7, type=2),
    _V1: _Generation("caffemodel (V1)", "V1LayerParameter", name=4, blobs=6),
    _V0: _Generation("caffemodel (V0)", "V0LayerParameter", name=1, blobs=50, type=2),
}


def read(file: InputFile) -> Weights:
    """The layers of a caffemodel; raises `WeightsError` naming the file, the layer and the byte."""
    layers: list[Layer] = []
    generations = set()
    head = _Spans(file)
    try:
        for field in wire.walk(file):
            if field.number in (_CURRENT, _V1) and field.kind == BYTES:
                layer, generation = _read_layer(file, field, len(layers))
                layers.append(layer)
                generations.add(generation)
            else:
                head.add(field)
            if len(layers) > _MOST_LAYERS:
                raise WireError(f"more than {_MOST_LAYERS} layers", field.start)
        head.check("NetParameter", 0)
        head_bytes = head.bytes()
    except WireError as error:
        raise _find_other_message(file, layers) or _damage(str(file.path), error) from error
    except WeightsError as error:
        raise _find_other_message(file, layers) or error from error.__cause__
    if not layers:
        raise _find_other_message(file, layers) or WeightsError(file.path, "holds no layers", "name a weights file")
    if len(generations) > 1:
        formats = " and ".join(_GENERATIONS[each].format for each in sorted(generations))
        raise WeightsError(file.path, f"mixes {formats}", DAMAGED)
    generation = generations.pop()
    current = layers if generation == _CURRENT else _upgrade_layers(file, layers)
    return Weights(file, _GENERATIONS[generation].format, tuple(current), head_bytes)


def _find_other_message(file: InputFile, layers: Sequence[Layer]) -> WeightsError | None:
    """The error for a file without layers that holds another of Caffe's messages, if it does."""
    if layers:
        return None
    mend = "name the .caffemodel"
    try:
        if (mean := read_blob(file)).count:
            return WeightsError(file.path, f"is an image mean of {dims(mean.shape)}, not a net's weights", mend)
    except WeightsError:
        pass
    if file[0] == _ITERATION:
        return WeightsError(file.path, "is a solver's state, not a net's weights", mend)
    return None


_ITERATION = wire.encode_key(1, VARINT)[0]  # SolverState.iter, written first; a net's field 1 is its name


def _damage(where: str, error: WireError) -> WeightsError:
    return WeightsError(f"{where}, byte {error.offset}", str(error), DAMAGED)


def _upgrade_layers(file: InputFile, layers: list[Layer]) -> Iterator[Layer]:
    """The layers of an old format with the definitions that they have in the current one."""
    from caffe_fcn.proto import read_net

    try:
        definitions = {layer.name: layer for layer in read_net(file.path).layer}
    except UnicodeDecodeError as error:
        raise WeightsError(file.path, f"a name in it is not UTF-8 text: {error.object!r}", DAMAGED) from error
    for layer in layers:
        if (definition := definitions.get(layer.name)) is not None:
            tensors = tuple(
                _with_current_axes(tensor, definition.type, index) for index, tensor in enumerate(layer.tensors)
            )
            yield Layer(layer.name, tensors, definition.type, definition.SerializeToString())


def _with_current_axes(tensor: Tensor, type_name: str, index: int) -> Tensor:
    """A parameter of four axes with the axes that its layer gives it today.

    Real Caffe forgives four axes only where they are written in the old fields.
    """
    from caffe_fcn.net.layer_types import Kind, layer_type  # files of today's format do without the table

    axes = 1 if index else 2 if layer_type(type_name).kind is Kind.INNER_PRODUCT else 4
    if len(tensor.shape) != 4 or set(tensor.shape[:-axes]) - {1}:
        return tensor
    return tensor.reshaped(tensor.shape[-axes:])


class _Spans:
    """The bytes of fields that stand apart in a file, fetched together."""

    def __init__(self, file: InputFile) -> None:
        self._file = file
        self._spans: list[tuple[int, int]] = []
        self._size = 0

    def add(self, field: Field) -> None:
        self._size += field.end - field.start
        if self._size > _LARGEST_DEFINITION:
            raise WireError(f"{self._size} bytes that are no parameters", field.start)
        if self._spans and self._spans[-1][1] == field.start:
            self._spans[-1] = (self._spans[-1][0], field.end)
        else:
            self._spans.append((field.start, field.end))

    def check(self, message: str, depth: int) -> None:
        """Raise `WireError` where protobuf refuses the fields."""
        for begin, end in self._spans:
            checking.check(self._file, message, begin, end, depth)

    def bytes(self) -> bytes:
        return b"".join(self._file.read(begin, end - begin) for begin, end in self._spans)


def _read_layer(file: InputFile, message: Field, index: int) -> tuple[Layer, int]:
    """A layer, and its generation."""
    reader = _LayerReader(file, index, message.number)
    nested = []  # the V0 layers inside a V1 layer; protobuf merges several
    with reader.naming_errors():
        for field in wire.walk(file, message.begin, message.end, depth=1):
            if message.number == _V1 and field.number == _V0 and field.kind == BYTES:
                nested.append(field)
            else:
                reader.add(field)
        reader.check(depth=1)
    if not nested:
        return reader.layer(), message.number
    inner = _LayerReader(file, index, _V0)
    with inner.naming_errors():
        for part in nested:
            for field in wire.walk(file, part.begin, part.end, depth=2):
                inner.add(field)
        inner.check(depth=2)
    return inner.layer(), _V0


class _LayerReader:
    """Makes a layer of one generation, field by field."""

    def __init__(self, file: InputFile, index: int, generation: int) -> None:
        self._file, self._index, self._numbers = file, index, _GENERATIONS[generation]
        self._texts = {self._numbers.name: "", self._numbers.type: ""}
        self._tensors: list[Tensor] = []
        self._definition = _Spans(file)
        self._with_old_shape: set[int] = set()

    def add(self, field: Field) -> None:
        if field.number == self._numbers.blobs and field.kind == BYTES:
            tensor, has_old_shape = parse_blob(self._file, field)
            if has_old_shape:
                self._with_old_shape.add(len(self._tensors))
            self._tensors.append(tensor)
            return
        self._definition.add(field)
        if field.number in self._texts and field.kind == BYTES:
            self._texts[field.number] = _read_text(self._file, field)

    def check(self, depth: int) -> None:
        """Raise `WireError` where protobuf refuses what has been added."""
        self._definition.check(self._numbers.message, depth)

    def layer(self) -> Layer:
        name, layer_type = self._texts[self._numbers.name], self._texts[self._numbers.type]
        tensors = tuple(
            _with_current_axes(tensor, layer_type, index) if index in self._with_old_shape else tensor
            for index, tensor in enumerate(self._tensors)
        )
        return Layer(name, tensors, layer_type, self._definition.bytes())

    @contextmanager
    def naming_errors(self) -> Iterator[None]:
        """Turn a `WireError` inside the block into a `WeightsError` that names the layer and the parameter."""
        try:
            yield
        except WireError as error:
            name = self._texts[self._numbers.name] or f"number {self._index}"
            raise _damage(locate(self._file.path, name, len(self._tensors)), error) from error


def _read_text(file: InputFile, field: Field) -> str:
    try:
        return file.read(field.begin, field.end - field.begin).decode()
    except UnicodeDecodeError as error:
        raise WireError("a name is not UTF-8 text", field.begin) from error
