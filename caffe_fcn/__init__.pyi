from . import coord_map, datasets, engines, journey, models, netspec, offsets, proto, surgery, weights
from .journey.fitting import fit
from .netspec.spec import NetSpec, layers, params, to_proto
from .proto import TEST, TRAIN
from .reports.notebook import load_ipython_extension

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
    "load_ipython_extension",
    "models",
    "netspec",
    "offsets",
    "params",
    "proto",
    "surgery",
    "to_proto",
    "weights",
]
