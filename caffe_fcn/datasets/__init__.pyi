from .build.building import Way
from .build.forms import Form
from .description import Description
from .formats import folder, m2nist, published, synthia, triangles, voc
from .records.opening import Pairs, open, splits

__all__ = [
    "Description",
    "Form",
    "Pairs",
    "Way",
    "folder",
    "m2nist",
    "open",
    "published",
    "splits",
    "synthia",
    "triangles",
    "voc",
]
