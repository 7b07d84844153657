"""Write a torchvision net with its weights as a net folder: deploy.prototxt, weights.caffemodel, model.json.

Torch's nets get (pixel / 255 - mean) / std. Here the mean stands in model.json, in pixels, and the division is in the
first convolution's weights. Its padded border stays the same: zeros stand for pixels of the mean in both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from caffe_fcn import files
from caffe_fcn.description import model_json
from caffe_fcn.description.model_json import Input, Model, Output
from caffe_fcn.errors import NetError, nearest
from caffe_fcn.file_names import DEPLOY_FILE
from caffe_fcn.files import PathLike
from caffe_fcn.interop.torchvision.archs import ARCHS, Arch, choose_normalization
from caffe_fcn.interop.torchvision.building import IMAGE, MisfitError, TorchNet
from caffe_fcn.interop.torchvision.state_dict import read_state_dict
from caffe_fcn.net.shapes import infer
from caffe_fcn.proto import to_text
from caffe_fcn.weights import Tensor, save_weights

_OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12])\.")  # as in the weights that torchvision publishes


@dataclass
class ImportedNet:
    """What `import_torch` wrote, and what it left out (``notes``). ``segments`` says that the net scores pixels.

    ``mean`` and ``std`` are those of torch's Normalize, red first.
    """

    weights: Path
    segments: bool
    mean: tuple[float, ...]
    std: tuple[float, ...]
    files: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def import_torch(
    path: PathLike,
    arch: str,
    output: PathLike,
    size: tuple[int, int] = (224, 224),
    bgr: bool = False,
    plain: bool = False,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> ImportedNet:
    """Write the net ``arch`` of torchvision with the weights of a state dict as a net folder.

    ``size`` is the height and width of the images. With ``bgr`` the net takes blue first, as Caffe's databases have
    images. With ``plain`` it has no ``round_mode``, which Caffe 1.0's release does not know; poolings then round as
    torch's do for this ``size`` alone. ``mean`` and ``std`` are those of torch's Normalize, red first, where they are
    not the usual ones of the architecture.

    Raises `WeightsError` for a state dict of something else, naming the tensor, and what `read_state_dict` raises;
    `NetError` for an unknown architecture, and for a size that it cannot have in Caffe.
    """
    if arch not in ARCHS:
        raise NetError(f"`arch` {arch}", "is not known", nearest(arch, ARCHS) or f"known are {', '.join(ARCHS)}")
    row = ARCHS[arch]
    mean, std = choose_normalization("mean", mean, row.mean), choose_normalization("std", std, row.std)
    tensors = {rename_old(name): tensor for name, tensor in read_state_dict(path).items()}
    net = TorchNet(tensors, str(path), tuple(1 / (255 * each) for each in std), bgr, plain)
    try:
        notes = _add_net(net, row, size)
    except MisfitError as error:
        if fits := _find_archs(tensors, row):
            raise MisfitError(error.where, error.what, f"it is a {fits[0]}: `arch`") from error
        raise
    written = net.spec.to_proto()
    written.name = arch
    infer(written)  # raises where a blob has more values than Caffe's can
    pixels = [round(255 * each, 6) for each in mean]
    image = Input(IMAGE, len(pixels), "BGR" if bgr else "RGB", pixels[::-1] if bgr else pixels)
    model = Model([image], [Output(written.layer[-1].top[0])])
    found = ImportedNet(Path(output) / "weights.caffemodel", row.segments, mean, std, notes=notes)
    _write(Path(output), to_text(written), net, model, found)
    return found


def rename_old(name: str) -> str:
    """The name of a tensor in today's torchvision."""
    return _OLD_DENSENET.sub(r"\1\2.", name)


def _add_net(net: TorchNet, arch: Arch, size: tuple[int, int]) -> list[str]:
    """Add all layers; returns notes on tensors that are left out."""
    arch.add(net, net.add_image(size))
    return [f"{each}* is left out: only training uses it" for each in net.check_rest(arch.idle)]


def _find_archs(tensors: Mapping[str, Tensor], tried: Arch) -> list[str]:
    """The architectures that these tensors fit, at their usual size."""
    found = []
    for name, arch in ARCHS.items():
        try:
            _add_net(TorchNet(tensors, "", (1.0,) * len(arch.std)), arch, (224, 224))
        except MisfitError:
            continue
        if arch is not tried:
            found.append(name)
    return found


def _write(folder: Path, text: str, net: TorchNet, model: Model, found: ImportedNet) -> None:
    deploy = folder / DEPLOY_FILE
    with files.make_folder(folder), files.write_together():
        with files.atomic_write(deploy) as out:
            out.write(text.encode())
        save_weights(found.weights, net.layers)
        model.write(folder)
    found.files = [deploy, found.weights, folder / model_json.FILE]
