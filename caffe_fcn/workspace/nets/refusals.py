"""What no net may have that is served: code that is not ours, and files that it would write.

Real Caffe imports the module of a Python layer, whatever it is. So of these layers only those run that come with this
package: the data layers of the reference (`caffe_fcn.datasets.reference_layers`), and joint augmentation.
"""

from __future__ import annotations

from caffe_fcn.augmentation import is_augmentation
from caffe_fcn.datasets.reference_layers.published_sets import LAYERS
from caffe_fcn.errors import NetError
from caffe_fcn.net.layer_types import Origin, layer_type
from caffe_fcn.proto import LayerParameter, NetParameter

_STAND_IN = ("pycaffe_layers", "SegDataLayer")
_OURS = frozenset((_STAND_IN, *((layer.module, layer.name) for layer in LAYERS.values())))


def find_refusals(net: NetParameter) -> list[NetError]:
    """Return why a net is refused: an error for each layer that runs code or writes a file; in any of its phases."""
    return [error for layer in net.layer if (error := _find_fault(layer)) is not None]


def refuse_code(net: NetParameter) -> None:
    """Raise `NetError` for the first layer of a net that runs code which is not ours, or writes a file."""
    for error in find_refusals(net):
        raise error


def _find_fault(layer: LayerParameter) -> NetError | None:
    where = f"layer '{layer.name}' ({layer.type})"
    param = layer.python_param
    if layer_type(layer.type).origin is Origin.CODE:
        if (param.module, param.layer) in _OURS or is_augmentation(layer):
            return None
        named = f"{param.module}.{param.layer}" if param.module else "its module"
        return NetError(
            where,
            f"would run the code of {named}, which the workspace does not",
            "take the layer out, or use the command line with code that you trust",
        )
    if layer.HasField("hdf5_output_param"):
        return NetError(where, "would write a file", "take the layer out")
    return None
