"""Augmentation where images are read: ahead of the net, and in the processes that read.

In the eyes of an engine that trains, an augmentation layer and the data layers before it are one source.
`AugmentedReader` is its reader, `merge_sources` makes the net that has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from caffe_fcn.augmentation import is_augmentation
from caffe_fcn.augmentation.joint_augmentation import Augmentation
from caffe_fcn.engines.readers.reader import Array, Reader
from caffe_fcn.errors import DatasetError, NetError
from caffe_fcn.net.layer_types import origin_of
from caffe_fcn.proto import LayerParameter, NetParameter
from caffe_fcn.proto.copying import copy_message, replace_layers


class AugmentedReader(Reader):
    """The tops of an augmentation layer, of what other readers read.

    ``sources`` has, for each bottom, its reader and which of the reader's tops it is. ``earlier_passes`` are the
    forward passes of the training before the batch of number 0. Raises `NetError` for a param_str that is not one.
    """

    def __init__(self, layer: LayerParameter, sources: Sequence[tuple[Reader, int]], earlier_passes: int = 0) -> None:
        first = sources[0][0]
        super().__init__(layer, first.training, first.seed)
        self.size = first.size
        self.sequential = any(reader.sequential for reader, _ in sources)
        self._sources = sources
        self._earlier_passes = earlier_passes
        try:
            self._augmentation = Augmentation(layer.python_param.param_str)
        except ValueError as error:
            self.fail(str(error), "correct param_str")

    def __len__(self) -> int:
        return len(self._sources[0][0])

    def batch(self, number: int) -> list[Array]:
        batches = {id(reader): reader.batch(number) for reader, _ in self._sources}
        bottoms = [batches[id(reader)][top] for reader, top in self._sources]
        try:
            return self._augmentation(bottoms, self._earlier_passes + number)
        except ValueError as error:
            raise DatasetError(f"layer '{self.layer.name}' ({self.layer.type}), batch {number}", str(error)) from error


def add_augmented_readers(net: NetParameter, readers: Mapping[str, Reader], earlier_passes: int) -> dict[str, Reader]:
    """The readers of the sources of `merge_sources`, of those of the data layers."""
    made = {top: (reader, place) for reader in readers.values() for place, top in enumerate(reader.layer.top)}
    kept = {layer.name for layer in merge_sources(net).layer}
    augmented = {
        layer.name: AugmentedReader(layer, [made[bottom] for bottom in layer.bottom], earlier_passes)
        for layer in _find_augmentations(net)
    }
    return {**{name: reader for name, reader in readers.items() if name in kept}, **augmented}


def merge_sources(net: NetParameter) -> NetParameter:
    """The net with its augmentation layers as sources, without the data layers that nothing else reads.

    ``net`` has been filtered. Raises `NetError` for an augmentation of a blob that no data layer makes.
    """
    sources = {top: layer.name for layer in net.layer if origin_of(layer) is not None for top in layer.top}
    merged = {layer.name for layer in _find_augmentations(net)}
    read = {blob for layer in net.layer if layer.name not in merged for blob in layer.bottom}
    spare = set()
    for layer in _find_augmentations(net):
        for blob in layer.bottom:
            if blob not in sources:
                what = f"augments '{blob}', which no data layer makes"
                raise NetError(f"layer '{layer.name}' ({layer.type})", what, "put it right behind the data layers")
            spare.add(sources[blob])
    spare -= {sources[blob] for blob in read if blob in sources}
    result = copy_message(net)
    replace_layers(result, (layer for layer in net.layer if layer.name not in spare))
    for layer in result.layer:
        if layer.name in merged:
            del layer.bottom[:]
    return result


def _find_augmentations(net: NetParameter) -> Iterator[LayerParameter]:
    return (layer for layer in net.layer if layer.bottom and is_augmentation(layer))
