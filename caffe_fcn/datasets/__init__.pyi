from .build.options import BuildOptions, ImportOptions
from .build.record_format import RecordFormat
from .description import Description
from .formats import folder, m2nist, published, synthia, triangles, voc
from .records.opening import Pairs, describe, open, splits

__all__ = [
    "BuildOptions",
    "Description",
    "ImportOptions",
    "Pairs",
    "RecordFormat",
    "describe",
    "folder",
    "m2nist",
    "open",
    "published",
    "splits",
    "synthia",
    "triangles",
    "voc",
]
