"""The published models: one row each, every fact with the source that states it.

A fact that no source states is None, and is shown as "unknown". The name of a trained FCN is that of its net in the
catalogue; the names of files under which people know the models (bvlc_alexnet, fcn8s-heavy-pascal) are accepted too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Fact(Generic[_Value]):
    """A value, and the address of the page or file that states it."""

    value: _Value
    source: str


@dataclass(frozen=True)
class Checksum:
    """The digest of a file, in hexadecimal, and the ``kind`` of the function: a name that hashlib knows."""

    kind: str
    digest: str

    def __str__(self) -> str:
        return f"{self.kind.replace('sha', 'SHA-')} {self.digest}"


@dataclass(frozen=True)
class Model:
    """A published model: its weights file, where that is, how to know it, and its licence.

    ``net`` is the net of the catalogue that the weights belong to, where they do; ``deploy`` is the address of a deploy
    net that others published.
    """

    name: str
    title: str
    file: str
    addresses: tuple[Fact[str], ...]
    checksums: tuple[Fact[Checksum], ...] = ()
    size: Fact[int] | None = None
    license: Fact[str] | None = None
    deploy: Fact[str] | None = None
    net: str = ""

    @property
    def stem(self) -> str:
        """The published file's name without .caffemodel, which is a second name of the model."""
        return self.file.removesuffix(".caffemodel")


_BVLC = "https://github.com/BVLC/caffe/blob/master/models"
_BVLC_RAW = "https://raw.githubusercontent.com/BVLC/caffe/master/models"
_BERKELEY = "http://dl.caffe.berkeleyvision.org"
_FCN = "https://github.com/shelhamer/fcn.berkeleyvision.org/blob/1305c7378a9f0ab44b2c936f4d60e4687e3d8743"
_VGG = "http://www.robots.ox.ac.uk/~vgg/software/very_deep/caffe"
_GISTS = "https://gist.githubusercontent.com/ksimonyan"
_VGG16_GIST = "https://gist.github.com/ksimonyan/211839e770f7b538e2d8"
_ZOO = "https://github.com/openvinotoolkit/open_model_zoo/blob/{}/models/public/{}/model.yml"
_MXNET = "https://github.com/apache/mxnet/blob/v1.x/tools/caffe_converter/convert_caffe_modelzoo.py"
_MXNET_FILES = "https://apache-mxnet.s3-accelerate.dualstack.amazonaws.com/caffe/models"
_OPENCV = (
    "https://github.com/opencv/opencv_extra/blob/00a935f9a713f8aef4cddae0e513b026b59c7d8c/testdata/dnn/"
    "download_models.py"
)
_OPENCV_EARLY = "an early version of testdata/dnn/download_models.py in https://github.com/opencv/opencv_extra"
_SQUEEZENET = "https://github.com/forresti/SqueezeNet"
_SQUEEZENET_FILES = f"{_SQUEEZENET}/raw/a47b6f13d30985279789d08053d37013d67d131b"
_RESNET = "https://github.com/KaimingHe/deep-residual-networks"
_ONEDRIVE = (
    "https://onedrive.live.com/download?cid=4006CBB8476FF777&resid=4006CBB8476FF777%21{}&authkey=%21AAFW2-FVoxeVRck"
)
_DENSENET = "https://github.com/shicai/DenseNet-Caffe"


# The commits of Open Model Zoo in which these descriptions stand; later ones dropped some.
_ZOO_COMMITS = {
    "alexnet": "07893b02363bd589c644466dfaed513348ebfec2",
    "caffenet": "2b894b29d132956c4ebf1cdcb189a06302063a1a",
    "densenet-121": "00a4830eb152f9791749f282e7b076040e962ab0",
    "googlenet-v1": "00a4830eb152f9791749f282e7b076040e962ab0",
    "resnet-50": "087e09a8c5b1786a1e1255f14ed2ce1dab9cda49",
    "resnet-101": "087e09a8c5b1786a1e1255f14ed2ce1dab9cda49",
    "resnet-152": "7d235755e2d17f6186b11243a169966e4f05385a",
    "squeezenet1.0": "1db20462440730bd53fcdbc5d457ac5aba965953",
    "squeezenet1.1": "00a4830eb152f9791749f282e7b076040e962ab0",
    "vgg16": "00a4830eb152f9791749f282e7b076040e962ab0",
    "vgg19": "1a48e6dcf274bd2febf17336e8046894607a56fb",
}


def _zoo(name: str) -> str:
    return _ZOO.format(_ZOO_COMMITS[name], name)


def _bvlc(name: str, title: str, folder: str, sha1: str, size: int, other: Checksum, zoo: str) -> Model:
    """A classifier that Caffe's own repository describes in a readme.md."""
    readme = f"{_BVLC}/{folder}/readme.md"
    return Model(
        name,
        title,
        f"{folder}.caffemodel",
        (Fact(f"{_BERKELEY}/{folder}.caffemodel", readme),),
        (Fact(Checksum("sha1", sha1), readme), Fact(other, _zoo(zoo))),
        Fact(size, _zoo(zoo)),
        Fact("unrestricted use", readme),
        Fact(f"{_BVLC_RAW}/{folder}/deploy.prototxt", readme.replace("readme.md", "deploy.prototxt")),
    )


def _fcn(net: str, title: str, file: str, sha1: str = "", source: str = "") -> Model:
    """A trained FCN of the reference, whose address is in the file caffemodel-url of its net's folder."""
    deploy = Fact(f"{_FCN.replace('/blob/', '/raw/')}/{net}/deploy.prototxt", f"{_FCN}/{net}/deploy.prototxt")
    return Model(
        net,
        title,
        f"{file}.caffemodel",
        (Fact(f"{_BERKELEY}/{file}.caffemodel", f"{_FCN}/{net}/caffemodel-url"),),
        (Fact(Checksum("sha1", sha1), source),) if sha1 else (),
        license=Fact("unrestricted use", f"{_FCN}/README.md"),
        deploy=deploy if net == "voc-fcn8s" else None,
        net=net,
    )


def _resnet(depth: int, item: int, size: int, sha1: str, sha256: str, *more: Fact[str]) -> Model:
    file = f"ResNet-{depth}-model.caffemodel"
    return Model(
        f"resnet-{depth}",
        f"ResNet-{depth} of Microsoft Research, ImageNet classifier",
        file,
        (
            *more,
            Fact(_ONEDRIVE.format(item), _zoo(f"resnet-{depth}")),
            Fact(f"{_MXNET_FILES}/resnet/{file}", _MXNET),
        ),
        (Fact(Checksum("sha1", sha1), _MXNET), Fact(Checksum("sha256", sha256), _zoo(f"resnet-{depth}"))),
        Fact(size, _zoo(f"resnet-{depth}")),
        Fact("MIT", f"{_RESNET}/blob/master/LICENSE"),
        Fact(
            f"{_RESNET}/raw/master/prototxt/ResNet-{depth}-deploy.prototxt",
            f"{_RESNET}/blob/master/prototxt/ResNet-{depth}-deploy.prototxt",
        ),
    )


_ROWS = (
    _bvlc(
        "alexnet",
        "BVLC AlexNet, ImageNet classifier",
        "bvlc_alexnet",
        "9116a64c0fbe4459d18f4bb6b56d647b63920377",
        243862414,
        Checksum("sha256", "4bff209a9837298157915ef50a4831a59636a6ca1a6b8ebacd990c3a5f3053e0"),
        "alexnet",
    ),
    _bvlc(
        "caffenet",
        "BVLC reference CaffeNet, ImageNet classifier",
        "bvlc_reference_caffenet",
        "4c8d77deb20ea792f84eb5e6d0a11ca0a8660a46",
        243862418,
        Checksum(
            "sha384",
            "6677844301d6c7f68f5b6a299cf41c4f0955bab7d1fb8719375fae6d05b6173db9deccf3ac4aaa4225bf6c6e99d81a68",
        ),
        "caffenet",
    ),
    _bvlc(
        "googlenet",
        "BVLC GoogLeNet, ImageNet classifier",
        "bvlc_googlenet",
        "405fc5acd08a3bb12de8ee5e23a96bec22f08204",
        53533754,
        Checksum("sha256", "6f7101e3a2183738a7125a0c5021ba82a1feb4228c5ca0924d991b6daf6f6fad"),
        "googlenet-v1",
    ),
    Model(
        "vgg16",
        "VGG-16 of ILSVRC 2014, ImageNet classifier",
        "VGG_ILSVRC_16_layers.caffemodel",
        (
            Fact(f"{_VGG}/VGG_ILSVRC_16_layers.caffemodel", _VGG16_GIST),
            Fact(f"{_MXNET_FILES}/vgg/VGG_ILSVRC_16_layers.caffemodel", _MXNET),
        ),
        (
            Fact(Checksum("sha1", "9363e1f6d65f7dba68c4f27a1e62105cdf6c4e24"), _MXNET),
            Fact(Checksum("sha256", "a6196bc498e45ea4cb2637114ae8db9410cf1556fd60a55ae93272371beba197"), _zoo("vgg16")),
        ),
        Fact(553432081, _zoo("vgg16")),
        Fact("CC BY 4.0", _zoo("vgg16")),
        Fact(
            f"{_GISTS}/211839e770f7b538e2d8/raw/0067c9b32f60362c74f4c445a080beed06b07eb3/"
            "VGG_ILSVRC_16_layers_deploy.prototxt",
            _zoo("vgg16"),
        ),
    ),
    Model(
        "vgg19",
        "VGG-19 of ILSVRC 2014, ImageNet classifier",
        "VGG_ILSVRC_19_layers.caffemodel",
        (
            Fact(f"{_VGG}/VGG_ILSVRC_19_layers.caffemodel", _zoo("vgg19")),
            Fact(f"{_MXNET_FILES}/vgg/VGG_ILSVRC_19_layers.caffemodel", _MXNET),
        ),
        (
            Fact(Checksum("sha1", "239785e7862442717d831f682bb824055e51e9ba"), _MXNET),
            Fact(
                Checksum(
                    "sha384",
                    "86b83739d448a81ddc927922d4d7581e06113478106b59480097b02cc63ff51c9da7c3cd8a865b08946d07d0281d5b2e",
                ),
                _zoo("vgg19"),
            ),
        ),
        Fact(574671192, _zoo("vgg19")),
        Fact("CC BY 4.0", _zoo("vgg19")),
        Fact(
            f"{_GISTS}/3785162f95cd2d5fee77/raw/f02f8769e64494bcd3d7e97d5d747ac275825721/"
            "VGG_ILSVRC_19_layers_deploy.prototxt",
            _zoo("vgg19"),
        ),
    ),
    Model(
        "squeezenet-1.0",
        "SqueezeNet v1.0, ImageNet classifier",
        "squeezenet_v1.0.caffemodel",
        (
            Fact(f"{_SQUEEZENET_FILES}/SqueezeNet_v1.0/squeezenet_v1.0.caffemodel", _zoo("squeezenet1.0")),
            Fact(
                "https://storage.openvinotoolkit.org/repositories/open_model_zoo/public/2022.1/squeezenet1.0/"
                "squeezenet_v1.0.caffemodel",
                _zoo("squeezenet1.0"),
            ),
        ),
        (
            Fact(
                Checksum(
                    "sha384",
                    "b8dc96393e093b4f23390b70f01fe37330d629759db59c1da3c15f846d0b1b1751b6ad841570c2e303c86829c750a745",
                ),
                _zoo("squeezenet1.0"),
            ),
        ),
        Fact(5001403, _zoo("squeezenet1.0")),
        Fact("BSD", f"{_SQUEEZENET}/blob/master/LICENSE"),
        Fact(f"{_SQUEEZENET}/raw/master/SqueezeNet_v1.0/deploy.prototxt", _SQUEEZENET),
    ),
    Model(
        "squeezenet-1.1",
        "SqueezeNet v1.1, ImageNet classifier",
        "squeezenet_v1.1.caffemodel",
        (Fact(f"{_SQUEEZENET_FILES}/SqueezeNet_v1.1/squeezenet_v1.1.caffemodel", _zoo("squeezenet1.1")),),
        (
            Fact(Checksum("sha1", "3397f026368a45ae236403ccc81cfcbe8ebe1bd0"), _OPENCV),
            Fact(
                Checksum("sha256", "72b912ace512e8621f8ff168a7d72af55910d3c7c9445af8dfbff4c2ee960142"),
                _zoo("squeezenet1.1"),
            ),
        ),
        Fact(4950080, _zoo("squeezenet1.1")),
        Fact("BSD", f"{_SQUEEZENET}/blob/master/LICENSE"),
        Fact(f"{_SQUEEZENET}/raw/master/SqueezeNet_v1.1/deploy.prototxt", _SQUEEZENET),
    ),
    _resnet(
        50,
        17895,
        102462397,
        "b7c79ccc21ad0479cddc0dd78b1d20c4d722908d",
        "44ee2b08816cede2b7aaa047888df07dcab52f73399aa1c8bef05a17bfdd4888",
        Fact("https://dl.opencv.org/models/ResNet-50-model.caffemodel", _OPENCV),
    ),
    _resnet(
        101,
        17896,
        178662602,
        "1dbf5f493926bb9b6b3363b12d5133c0f8b78904",
        "2847d93346d7928ec1f257f49f60ea53e9075c15265c494469610e67ffb7f2e2",
    ),
    _resnet(
        152,
        17897,
        241444171,
        "251edb93604ac8268c7fd2227a0f15144310e1aa",
        "6253c4c4132c0b25c112b166629aa57dcaeec044a4c68ac9f003b6c801329d55",
    ),
    Model(
        "densenet-121",
        "DenseNet-121, ImageNet classifier converted from Torch",
        "DenseNet_121.caffemodel",
        (
            Fact(
                "https://storage.openvinotoolkit.org/repositories/open_model_zoo/public/2021.4/densenet-121/"
                "DenseNet_121.caffemodel",
                _zoo("densenet-121"),
            ),
            Fact("https://drive.google.com/uc?export=download&id=0B7ubpZO7HnlCcHlfNmJkU2VPelE", _OPENCV),
        ),
        (
            Fact(Checksum("sha1", "02b520138e8a73c94473b05879978018fefe947b"), _OPENCV),
            Fact(
                Checksum("sha256", "c6a6ec988d76c468c3f67501a23a39ec7bf6ebe6729fd99496a15d0e845478b2"),
                _zoo("densenet-121"),
            ),
        ),
        Fact(32303870, _zoo("densenet-121")),
        Fact("as liuzhuang13/DenseNet", _zoo("densenet-121")),
        Fact(f"{_DENSENET}/raw/master/DenseNet_121.prototxt", f"{_DENSENET}/blob/master/DenseNet_121.prototxt"),
    ),
    _fcn("voc-fcn-alexnet", "FCN-AlexNet, trained on PASCAL VOC", "fcn-alexnet-pascal"),
    _fcn(
        "voc-fcn32s",
        "FCN-32s, trained on PASCAL VOC",
        "fcn32s-heavy-pascal",
        "05eb922d7829c39448f57e5ab9d8cd75d6c0be6d",
        _OPENCV_EARLY,
    ),
    _fcn("voc-fcn16s", "FCN-16s, trained on PASCAL VOC", "fcn16s-heavy-pascal"),
    _fcn(
        "voc-fcn8s",
        "FCN-8s, trained on PASCAL VOC",
        "fcn8s-heavy-pascal",
        "c449ea74dd7d83751d1357d6a8c323fcf4038962",
        _OPENCV,
    ),
    _fcn("voc-fcn8s-atonce", "FCN-8s trained at once, on PASCAL VOC", "fcn8s-atonce-pascal"),
    _fcn("nyud-fcn32s-color", "FCN-32s of colour, trained on NYUDv2", "nyud-fcn32s-color-heavy"),
    _fcn("nyud-fcn32s-hha", "FCN-32s of HHA depth, trained on NYUDv2", "nyud-fcn32s-hha-heavy"),
    _fcn("nyud-fcn32s-color-hha", "FCN-32s of colour and HHA, trained on NYUDv2", "nyud-fcn32s-color-hha-heavy"),
    _fcn("siftflow-fcn32s", "FCN-32s, trained on SIFT Flow", "siftflow-fcn32s-heavy"),
    _fcn("siftflow-fcn16s", "FCN-16s, trained on SIFT Flow", "siftflow-fcn16s-heavy"),
    _fcn("siftflow-fcn8s", "FCN-8s, trained on SIFT Flow", "siftflow-fcn8s-heavy"),
    _fcn("pascalcontext-fcn32s", "FCN-32s, trained on PASCAL-Context", "pascalcontext-fcn32s-heavy"),
    _fcn("pascalcontext-fcn16s", "FCN-16s, trained on PASCAL-Context", "pascalcontext-fcn16s-heavy"),
    _fcn("pascalcontext-fcn8s", "FCN-8s, trained on PASCAL-Context", "pascalcontext-fcn8s-heavy"),
)

MODELS: Mapping[str, Model] = {row.name: row for row in _ROWS}
