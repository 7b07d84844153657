from . import coord_map, datasets, engines, models, netspec, offsets, proto, surgery, weights
from .netspec.spec import NetSpec, layers, params, to_proto
from .proto import TEST, TRAIN

__all__ = [
    "TEST",
    "TRAIN",
    "NetSpec",
    "coord_map",
    "datasets",
    "engines",
    "layers",
    "models",
    "netspec",
    "offsets",
    "params",
    "proto",
    "surgery",
    "to_proto",
    "weights",
]
