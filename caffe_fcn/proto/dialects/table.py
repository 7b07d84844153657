"""The tables of what forks of Caffe add, read when they are first needed."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

PRIVATE = 100_000_000  # the first of the numbers that our schema gives to what BVLC's does not have

# A fork's name -> the repository whose caffe.proto the tables follow
FORKS = {
    "augmentation": "twtygqyy/caffe-augmentation",
    "caffe-face": "ydwen/caffe-face",
    "caffe-onnx": "htshinichi/caffe-onnx",
    "caffe-windows": "happynear/caffe-windows",
    "cambricon": "Cambricon/caffe",
    "cascade-rcnn": "zhaoweicai/cascade-rcnn",
    "channel-pruning": "yihui-he/channel-pruning",
    "chaidnn": "Xilinx/CHaiDNN",
    "c3d": "facebookarchive/C3D",
    "ctpn": "tianzhi0549/CTPN",
    "deconvnet": "HyeonwooNoh/caffe",
    "deeplab": "TheLegendAli/DeepLab-Context",
    "deeplab-v2": "xmojiao/deeplab_v2",
    "deepsaldet": "Robert0812/deepsaldet",
    "faster-rcnn": "the caffe-fast-rcnn of rbgirshick/py-faster-rcnn",
    "flownet": "lmb-freiburg/flownet2",
    "focal-ssd": "lzx1413/CAFFE_SSD",
    "intel": "BVLC/caffe, branch intel",
    "jacinto": "tidsp/caffe-jacinto",
    "mace": "XiaoMi/mace",
    "mnn": "alibaba/MNN",
    "mobilenet-yolo": "eric612/MobileNet-YOLO",
    "mscnn": "zhaoweicai/mscnn",
    "ncnn": "Tencent/ncnn",
    "normface": "happynear/NormFace",
    "nvidia": "NVIDIA/caffe",
    "opencl": "naibaf7/caffe",
    "ppl": "openppl-public/ppq",
    "pspnet": "hszhao/PSPNet",
    "pytorch2caffe": "woodsgao/pytorch2caffe",
    "r-fcn": "hahnyuan/nn_tools",
    "refinedet": "sfzhang15/RefineDet",
    "ristretto": "pmgysel/caffe",
    "rtpose": "CMU-Perceptual-Computing-Lab/caffe_rtpose",
    "segnet": "alexgkendall/caffe-segnet",
    "sphereface": "wy1iu/sphereface",
    "ssd": "BVLC/caffe, branch ssd",
    "sstd": "BestSonny/SSTD",
    "synopsys": "foss-for-synopsys-dwc-arc-processors/synopsys-caffe",
    "tengine": "OAID/Tengine-Convert-Tools",
    "textboxes": "MhLiao/TextBoxes",
    "textboxes-plusplus": "MhLiao/TextBoxes_plusplus",
    "tsn": "yjxiong/caffe",
    "x2paddle": "PaddlePaddle/X2Paddle",
    "xilinx": "Xilinx/Vitis-AI",
    "yolov2": "gklz1982/caffe-yolov2",
    "yolov5": "Wulingtian/yolov5_caffe",
}
# Programs that read many forks' files by a schema of their own; a net comes from these last
CONVERTERS = ("caffe-onnx", "mace", "mnn", "ncnn", "ppl", "pytorch2caffe", "tengine", "x2paddle")
ALIASES = {"enet": "segnet", "icnet": "pspnet"}  # projects whose Caffe has another's schema


class ForkField(NamedTuple):
    """A field that forks add or number otherwise: its number in our schema, and in each fork.

    A field of which only the name is known has the number 0, as has one in a fork whose number for it is not known.
    """

    message: str
    name: str
    number: int
    forks: dict[str, int]

    @property
    def is_bvlcs(self) -> bool:
        """Whether it is a field of BVLC's under another number."""
        return 0 < self.number < PRIVATE


class ForkType(NamedTuple):
    """A layer type: its name today, its name in the enum of the V1 format (or none), who has it.

    ``v1_numbers`` are those that forks give it in that enum.
    """

    name: str
    v1: str
    forks: tuple[str, ...]
    v1_numbers: dict[str, int]


@cache
def fork_fields() -> tuple[ForkField, ...]:
    """All rows of ``fields.tsv``."""
    return tuple(
        ForkField(
            row["message"],
            row["field"],
            int(row["number"] or 0),
            _read_numbers(row["forks"]),
        )
        for row in _read("fields.tsv")
    )


@cache
def layer_types() -> tuple[ForkType, ...]:
    """All rows of ``layer_types.tsv``."""
    return tuple(
        ForkType(row["type"], row["v1"], tuple(row["forks"].split()), _read_numbers(row["v1_numbers"]))
        for row in _read("layer_types.tsv")
    )


def is_known(message: str, field: str) -> bool:
    """Whether some fork has the field, whatever our schema knows of it.

    >>> is_known("PoolingParameter", "kernel_depth"), is_known("PoolingParameter", "colour")
    (True, False)
    """
    return (message, field) in _names()


def is_bvlcs_type(layer_type: str) -> bool:
    """Whether BVLC's Caffe has the layer type."""
    return layer_type in _bvlcs_types()


def is_forks_type(layer_type: str) -> bool:
    """Whether forks of Caffe have the layer type, and BVLC's does not.

    >>> is_forks_type("Interp"), is_forks_type("Convolution"), is_forks_type("Konvolution")
    (True, False, False)
    """
    return not is_bvlcs_type(layer_type) and bool(find_forks(layer_type))


def find_forks(layer_type: str) -> tuple[str, ...]:
    """Who has a layer type: "bvlc", forks, or projects; none for a type that nobody is known to have.

    >>> find_forks("VideoData"), find_forks("Convolution")
    (('c3d',), ('bvlc',))
    """
    return next((row.forks for row in layer_types() if row.name == layer_type), ())


def current_type(v1_name: str) -> str | None:
    """The layer type that a name of V1's enum stands for; None for a name that no known Caffe has.

    >>> current_type("IMAGE_SEG_DATA"), current_type("CONVOLUTION")
    ('ImageSegData', 'Convolution')
    """
    return next((row.name for row in layer_types() if row.v1 == v1_name), None)


def v1_type(name: str) -> str:
    """The name in V1's enum of a layer type of today; "" for a type that the V1 format does not have.

    >>> v1_type("InnerProduct"), v1_type("BatchNorm")
    ('INNER_PRODUCT', '')
    """
    return next((row.v1 for row in layer_types() if row.name == name), "")


@cache
def _names() -> frozenset[tuple[str, str]]:
    names = {(row.message, row.name) for row in fork_fields()}
    # the layers of the V1 format take what the layers of today take, and some forks read only the former
    return frozenset(names | {("V1LayerParameter", name) for message, name in names if message == "LayerParameter"})


@cache
def _bvlcs_types() -> frozenset[str]:
    return frozenset(row.name for row in layer_types() if "bvlc" in row.forks)


def _read_numbers(text: str) -> dict[str, int]:
    """``pspnet=143 jacinto=?`` as numbers by fork; 0 where it is not known."""
    pairs = (pair.partition("=") for pair in text.split())
    return {fork: int(number.strip("?") or 0) for fork, _, number in pairs}


def _read(name: str) -> list[dict[str, str]]:
    import csv  # most nets need none of the tables

    with Path(__file__).with_name(name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
