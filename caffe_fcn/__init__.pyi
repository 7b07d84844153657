from . import coord_map, datasets, engines, journey, models, netspec, offsets, proto, surgery, weights
from .journey.fitting import fit
from .netspec.spec import NetSpec, layers, params, to_proto
from .proto import TEST, TRAIN

__all__ = [
    "TEST",
    "TRAIN",
    "NetSpec",
    "coord_map",
    "datasets",
    "engines",
    "fit",
    "journey",
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
