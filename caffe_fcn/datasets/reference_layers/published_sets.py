"""The published data sets: all that the package knows of one is its row in `SETS`.

Several rooms read the same row. `pycaffe_layers` opens the files that a row's layer names, `formats.published` and
`formats.voc` make databases of them, netspec writes the data layers and the solvers of its nets, and the builders put
classes and palette into ``dataset.json``.

This module holds facts and no code that works with them: it imports nothing, so that netspec can read it at no cost,
and it runs in the Python that pycaffe was built for, as all modules of this folder do.
"""

# ruff: noqa: UP006, UP035, UP045 - for old Pythons

from typing import Dict, NamedTuple, Optional, Tuple

Colour = Tuple[int, int, int]
Names = Tuple[str, ...]


IMAGENET_MEAN = (104.00699, 116.66877, 122.67892)
"""Of the images on which the trunks of the nets were trained, B, G, R."""


class TopFile(NamedTuple):
    """A top of a data layer: the file that it reads, and what the file holds.

    ``kind`` is ``color`` (R, G, B), ``hha`` (three planes), ``depth`` (millimetres) or ``label`` (class indices).
    ``decoder`` is the function of `decoders` that reads the file. ``database`` is what a build calls the database of
    this top: ``train_images``, ``val_images``. ``mean`` is what the layer subtracts: from colour in Caffe's order
    B, G, R; from HHA in the order of its planes; from depth after its logarithm is taken.
    """

    path: str
    kind: str
    decoder: str
    database: str
    mean: Tuple[float, ...] = ()


class DataLayer(NamedTuple):
    """The reference's Python data layer for a data set: its module and class, and the files that it reads.

    ``folders`` are the parameters that say where the data set lies, each with the place that the reference's nets
    expect below their folder of data. ``names`` is the file that lists the images of a split. ``takes`` are further
    parameters that the reference's nets give it. ``table`` is the function of `decoders` that makes, from the
    parameters, what the labels are decoded with.
    """

    module: str
    name: str
    folders: Dict[str, str]
    names: str
    tops: Dict[str, TopFile]
    takes: Names = ()
    table: str = ""

    @property
    def usual_tops(self) -> Names:
        """The tops that the layer has where nobody chooses: colour and labels."""
        return tuple(name for name, top in self.tops.items() if top.kind in ("color", "label"))


class PublishedSet(NamedTuple):
    """A data set that somebody published, or published how to draw.

    ``classes`` gives each label blob the names of its classes, in the order of their indices; ``palette`` has a colour
    (R, G, B) for each of the first labels' classes. ``splits`` are the names of its parts for training and for
    validation, and ``counts`` how many images the nets of the catalogue see of each. ``read_from`` are the rows and
    their splits that these nets train on and validate on where they are not this row's own.

    ``images`` gives each image blob of a net its channels. ``size`` (H, W), ``mean`` (B, G, R) and ``scale`` are for
    the catalogue's nets: the size of a deploy net's input, and what they do with pixels, the mean first. With
    ``classified`` an image has one class, which stands in its own record.
    """

    name: str
    classes: Dict[str, Names]
    palette: Tuple[Colour, ...] = ()
    ignore_label: Optional[int] = 255
    splits: Tuple[str, str] = ("train", "val")
    counts: Tuple[int, int] = (0, 0)
    layer: Optional[DataLayer] = None
    read_from: Tuple[Tuple[str, str], ...] = ()
    images: Dict[str, int] = {"data": 3}  # noqa: RUF012 - nobody changes it
    size: Tuple[int, int] = (500, 500)
    mean: Tuple[float, ...] = IMAGENET_MEAN
    scale: float = 1.0
    classified: bool = False

    @property
    def readers(self) -> Tuple[Tuple[str, str], ...]:
        """The row and the split that the reference trains on, and those that it validates on."""
        own = tuple((self.name, split) for split in self.splits)
        return self.read_from or (own if self.layer else ())


def make_voc_palette(count: int = 256) -> Tuple[Colour, ...]:
    """PASCAL VOC's palette, of up to 256 colours.

    Bits 0, 1, 2 of the index go to bit 7 of R, G, B, the next three to bit 6, and the last two to bit 5 of R and G.
    """

    def channel(index: int, first: int) -> int:
        return sum((index >> 3 * place + first & 1) << 7 - place for place in range(3))

    return tuple((channel(i, 0), channel(i, 1), channel(i, 2)) for i in range(count))


def _names(text: str) -> Names:
    return tuple(name.strip() for name in text.split(","))


_VOC_CLASSES = _names(
    "background, aeroplane, bicycle, bird, boat, bottle, bus, car, cat, chair, cow, diningtable, dog, horse, motorbike,"
    "person, pottedplant, sheep, sofa, train, tvmonitor"
)
_PASCAL_CONTEXT_CLASSES = _VOC_CLASSES + _names(
    "bag, bed, bench, book, building, cabinet, ceiling, clothes, computer, cup, door, fence, floor, flower, food,"
    "grass, ground, keyboard, light, mountain, mouse, curtain, platform, sign, plate, road, rock, shelves, sidewalk,"
    "sky, snow, bedcloth, track, tree, truck, wall, water, window, wood"
)
_NYUD_CLASSES = _names(
    "wall, floor, cabinet, bed, chair, sofa, table, door, window, bookshelf, picture, counter, blinds, desk, shelves,"
    "curtain, dresser, pillow, mirror, floor mat, clothes, ceiling, books, refridgerator, television, paper, towel,"
    "shower curtain, box, whiteboard, person, night stand, toilet, sink, lamp, bathtub, bag, otherstructure,"
    "otherfurniture, otherprop"
)
_SIFT_FLOW_CLASSES = _names(
    "awning, balcony, bird, boat, bridge, building, bus, car, cow, crosswalk, desert, door, fence, field, grass, moon,"
    "mountain, person, plant, pole, river, road, rock, sand, sea, sidewalk, sign, sky, staircase, streetlight, sun,"
    "tree, window"
)
_VOC_COLOURS = make_voc_palette()
_SYNTHIA_COLOURS = {
    "void": (0, 0, 0),
    "sky": (128, 128, 128),
    "building": (128, 0, 0),
    "road": (128, 64, 128),
    "sidewalk": (0, 0, 192),
    "fence": (64, 64, 128),
    "vegetation": (128, 128, 0),
    "pole": (192, 192, 128),
    "car": (64, 0, 128),
    "traffic sign": (192, 128, 128),
    "pedestrian": (64, 64, 0),
    "bicycle": (0, 128, 192),
}
_DIGITS = _names("0, 1, 2, 3, 4, 5, 6, 7, 8, 9")
_DIGIT_COLOURS = (
    (230, 25, 75), (60, 180, 75), (255, 225, 25), (0, 130, 200), (245, 130, 48),
    (145, 30, 180), (70, 240, 240), (240, 50, 230), (210, 245, 60), (250, 190, 212),
)  # fmt: skip

_VOC_MEAN = (104.00698793, 116.66876762, 122.67891434)
_SIFT_FLOW_FOLDER = "spatial_envelope_256x256_static_8outdoorcategories"

_ROWS = (
    PublishedSet(
        "voc",
        {"label": _VOC_CLASSES},
        _VOC_COLOURS,
        counts=(8498, 736),  # of SBDD, and of seg11valid
        read_from=(("sbdd", "train"), ("voc", "seg11valid")),
        layer=DataLayer(
            "voc_layers",
            "VOCSegDataLayer",
            {"voc_dir": "pascal/VOC2011"},
            "{voc_dir}/ImageSets/Segmentation/{split}.txt",
            {
                "data": TopFile("{voc_dir}/JPEGImages/{name}.jpg", "color", "picture", "images", _VOC_MEAN),
                "label": TopFile("{voc_dir}/SegmentationClass/{name}.png", "label", "indices", "labels"),
            },
            takes=("mean",),
        ),
    ),
    PublishedSet(
        "sbdd",
        {"label": _VOC_CLASSES},
        _VOC_COLOURS,
        counts=(8498, 2857),
        layer=DataLayer(
            "voc_layers",
            "SBDDSegDataLayer",
            {"sbdd_dir": "sbdd/dataset"},
            "{sbdd_dir}/{split}.txt",
            {
                "data": TopFile("{sbdd_dir}/img/{name}.jpg", "color", "picture", "images", _VOC_MEAN),
                "label": TopFile("{sbdd_dir}/cls/{name}.mat", "label", "sbdd_label", "labels"),
            },
            takes=("mean",),
        ),
    ),
    PublishedSet(
        "nyud",
        {"label": _NYUD_CLASSES},
        splits=("trainval", "test"),
        counts=(795, 654),
        layer=DataLayer(
            "nyud_layers",
            "NYUDSegDataLayer",
            {"nyud_dir": "nyud"},
            "{nyud_dir}/{split}.txt",
            {
                "color": TopFile(
                    "{nyud_dir}/data/images/img_{name}.png", "color", "picture", "images", (116.190, 97.203, 92.318)
                ),
                "depth": TopFile("{nyud_dir}/data/depth/img_{name}.png", "depth", "indices", "depth", (7.844,)),
                "hha": TopFile(
                    "{nyud_dir}/data/hha/img_{name}.png", "hha", "picture", "hha", (132.431, 94.076, 118.477)
                ),
                "label": TopFile("{nyud_dir}/segmentation/img_{name}.mat", "label", "nyud_label", "labels"),
            },
            takes=("tops",),
        ),
    ),
    PublishedSet(
        "siftflow",
        {"sem": _SIFT_FLOW_CLASSES, "geo": _names("sky, horizontal, vertical")},
        splits=("trainval", "test"),
        counts=(2488, 200),
        layer=DataLayer(
            "siftflow_layers",
            "SIFTFlowSegDataLayer",
            {"siftflow_dir": "sift-flow"},
            "{siftflow_dir}/{split}.txt",
            {
                "data": TopFile(
                    f"{{siftflow_dir}}/Images/{_SIFT_FLOW_FOLDER}/{{name}}.jpg",
                    "color",
                    "picture",
                    "images",
                    (114.578, 115.294, 108.353),
                ),
                "sem": TopFile(
                    f"{{siftflow_dir}}/SemanticLabels/{_SIFT_FLOW_FOLDER}/{{name}}.mat",
                    "label",
                    "siftflow_label",
                    "labels",
                ),
                "geo": TopFile(
                    f"{{siftflow_dir}}/GeoLabels/{_SIFT_FLOW_FOLDER}/{{name}}.mat", "label", "siftflow_label", "geo"
                ),
            },
        ),
    ),
    PublishedSet(
        "pascalcontext",
        {"label": _PASCAL_CONTEXT_CLASSES},
        counts=(4998, 5105),
        layer=DataLayer(
            "pascalcontext_layers",
            "PASCALContextSegDataLayer",
            {"voc_dir": "pascal", "context_dir": "pascal-context"},
            "{voc_dir}/VOC2010/ImageSets/Main/{split}.txt",
            {
                "data": TopFile(
                    "{voc_dir}/VOC2010/JPEGImages/{name}.jpg", "color", "picture", "images", (104.007, 116.669, 122.679)
                ),
                "label": TopFile("{context_dir}/trainval/{name}.mat", "label", "context_label", "labels"),
            },
            table="context_table",
        ),
    ),
    PublishedSet(
        "synthia",  # SYNTHIA-RAND-CVPR16, of which a tenth is set aside for validation
        {"label": tuple(_SYNTHIA_COLOURS)},
        tuple(_SYNTHIA_COLOURS.values()),
        ignore_label=None,
        counts=(12066, 1341),
        size=(720, 960),
    ),
    PublishedSet(
        "triangles",  # labels are grey values, and have no classes
        {"label": ()},
        ignore_label=None,
        counts=(9000, 1000),
        images={"data": 1},
        size=(32, 32),
        mean=(244.45,),
    ),
    PublishedSet(
        "mnist",
        {"label": _DIGITS},
        ignore_label=None,
        counts=(60000, 10000),
        images={"data": 1},
        size=(28, 28),
        mean=(127.0,),
        scale=1 / 127,
        classified=True,
    ),
    PublishedSet(
        "m2nist",
        {"label": _DIGITS},
        _DIGIT_COLOURS,
        counts=(4000, 1000),
        images={"data": 1},
        size=(64, 84),
        mean=(127.0,),
        scale=1 / 127,
    ),
)

SETS = {row.name: row for row in _ROWS}
"""Every published data set by its name."""

LAYERS = {row.name: row.layer for row in _ROWS if row.layer is not None}
"""The layers of those that the reference reads, by the data set's name."""

VOC_2012_COUNTS = (1464, 1449)
"""How many images PASCAL VOC 2012 has to train and to validate on: DIGITS's nets see those alone."""
