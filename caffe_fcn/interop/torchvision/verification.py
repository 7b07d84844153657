"""Whether an imported net computes what torchvision's own net computes, with the same state dict and image.

The judge is torchvision's code, where it is installed: nothing here is asked what a module does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from caffe_fcn import engines
from caffe_fcn.description import model_json
from caffe_fcn.errors import EngineError, MissingExtraError
from caffe_fcn.files import PathLike
from caffe_fcn.interop.onnx.comparison import ComparedBlob, compare_values
from caffe_fcn.interop.torchvision.archs import ARCHS
from caffe_fcn.interop.torchvision.importing import ImportedNet, rename_old
from caffe_fcn.interop.torchvision.state_dict import read_state_dict
from caffe_fcn.net.shapes import infer
from caffe_fcn.proto import read_net

_NUMBERS = 255.0  # of a pixel's largest value


def require_torchvision() -> Any:
    """Return the module; raises `EngineError` where it is not installed, or cannot be imported beside this torch.

    Where its binary is of another torch, as that of the usual wheel is beside a torch for processors, its import names
    operators that do not exist: they are declared here, and no net of `ARCHS` runs them.
    """
    try:
        try:
            import torchvision
        except RuntimeError:
            _declare_box_operators()
            import torchvision
    except (ImportError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        mend = "install the torchvision of your torch, or leave `verify` out"
        raise EngineError("torchvision", f"judges the net, and cannot be imported: {reason}", mend) from error
    return torchvision


def _declare_box_operators() -> None:
    import torch

    for name in ("nms", "qnms"):
        torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def compare_import(
    made: ImportedNet, state: PathLike, arch: str, *, engine: str = "auto", seed: int = 0
) -> tuple[ComparedBlob, str]:
    """Compare the net's output with that of torchvision's net for random pixels; and say which engine ran.

    ``state`` and ``arch`` are those of the import; ``engine`` is that of `engines.load`. Raises `EngineError` without
    torchvision, or where its net has other widths than these weights, and what `engines.load` raises.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("the comparison with torchvision", "torch") from error
    deploy, weights = made.files[:2]
    folder = Path(deploy).parent
    model = model_json.read(folder)
    if model is None:
        raise EngineError(folder, "has no model.json", "import again")
    (image,), (output,) = model.inputs, model.outputs
    shapes = infer(read_net(deploy)).blobs
    judge = _build_judge(arch, state, shapes[output.blob][1])
    pixels = np.random.default_rng(seed).integers(0, 256, shapes[image.blob]).astype(np.float32)
    mean, std = (np.reshape(each, (-1, 1, 1)) for each in (made.mean, made.std))
    with torch.no_grad():
        answer = judge(torch.from_numpy(((pixels / _NUMBERS - mean) / std).astype(np.float32)))
    wanted = (answer["out"] if ARCHS[arch].segments else answer).numpy()
    given = pixels[:, ::-1] if image.order == "BGR" else pixels
    given = np.ascontiguousarray(given - np.reshape(image.mean or [0.0], (-1, 1, 1)), np.float32)
    with engines.load(deploy, weights, engine, blobs=[output.blob]) as net:
        found = net.forward(**{image.blob: given})[output.blob]
        note = net.note
    return compare_values(output.blob, found.reshape(wanted.shape), wanted), note


def _build_judge(arch: str, state: PathLike, classes: int) -> Any:
    """torchvision's net with the weights of the state dict, for inference."""
    import torch

    models = require_torchvision().models
    tensors = {rename_old(name): torch.tensor(each.load()) for name, each in read_state_dict(state).items()}
    options: dict[str, Any] = {"num_classes": classes, "weights": None}
    if ARCHS[arch].segments:
        models, options["weights_backbone"] = models.segmentation, None
        options["aux_loss"] = any(name.startswith("aux_classifier.") for name in tensors)
    elif arch == "googlenet":
        options |= {"init_weights": False, "aux_logits": any(name.startswith("aux1.") for name in tensors)}
    net = getattr(models, arch)(**options)
    try:
        net.load_state_dict(tensors, strict=False)
    except RuntimeError as error:
        what = "these weights are not those of torchvision's net: " + " ".join(str(error).split())[:200]
        raise EngineError(f"torchvision's {arch}", what, "leave `verify` out: other widths have no judge") from error
    return net.eval()
