"""Random layers of detectors with random bottoms, each with a formula that judges it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import detector_formulas as formulas
import numpy as np
import torch
from prototxts import input_layer, layer

from caffe_fcn import proto
from caffe_fcn.engines.torch import Net

Random = np.random.Generator


class Case(NamedTuple):
    """A layer of one type, its bottoms, what judges it, and whether OpenCV reads it."""

    kind: str
    settings: str
    bottoms: dict[str, np.ndarray]
    judge: Callable[..., np.ndarray]
    blobs: Sequence[np.ndarray] = ()
    opencv: bool = True
    tops: str = "y"
    learns: int = 1  # how many of the bottoms, from the first, have a gradient

    @property
    def text(self) -> str:
        inputs = "".join(input_layer(name, *array.shape) for name, array in self.bottoms.items())
        return inputs + layer(self.kind, " ".join(self.bottoms), self.tops, self.settings, "y")

    def net(self) -> proto.NetParameter:
        message = proto.NetParameter()
        proto.parse(self.text, message)
        return message

    def engine(self, dtype: str = "float32", differentiable: bool = False) -> Net:
        engine = Net(self.net(), differentiable=differentiable, dtype=getattr(torch, dtype))
        with torch.no_grad():
            for parameter, blob in zip(engine.params.get("y", []), self.blobs, strict=True):
                parameter.copy_(torch.from_numpy(blob))
        return engine


def flag(random: Random) -> bool:
    return bool(random.integers(2))


def said(value: bool) -> str:
    return "true" if value else "false"


def blob(random: Random, *shape: int) -> np.ndarray:
    return random.normal(size=shape).astype("f4")


def shape(random: Random, channels: int = 0) -> tuple[int, ...]:
    n, c, h, w = map(int, random.integers((1, 1, 2, 2), (3, 5, 8, 8)))
    return n, channels or c, h, w


def regions(random: Random, count: int, images: int, scale: float, extent: float = 9) -> np.ndarray:
    corners = random.uniform(-3, extent, size=(count, 4)) / scale
    return np.concatenate([random.integers(images, size=(count, 1)), corners], 1).astype("f4")


def permute(random: Random) -> Case:
    order = [int(axis) for axis in random.permutation(4)]
    listed = " ".join(f"order: {axis}" for axis in order)
    x = blob(random, *shape(random))
    return Case("Permute", f"permute_param {{ {listed} }}", {"x": x}, lambda x: x.transpose(order))


def transpose(random: Random) -> Case:
    order = [int(axis) for axis in random.permutation(4)]
    listed = " ".join(f"dim: {axis}" for axis in order)
    x = blob(random, *shape(random))
    return Case("Transpose", f"transpose_param {{ {listed} }}", {"x": x}, lambda x: x.transpose(order), opencv=False)


def reverse(random: Random) -> Case:
    axis = int(random.integers(4))
    x = blob(random, *shape(random))
    return Case("Reverse", f"reverse_param {{ axis: {axis} }}", {"x": x}, lambda x: np.flip(x, axis), opencv=False)


def reorg(random: Random) -> Case:
    stride, back = int(random.choice([1, 2, 2, 3])), flag(random)
    n, c, h, w = shape(random)
    x = blob(random, n, c * stride**2, *((h, w) if back else (h * stride, w * stride)))
    settings = f"reorg_param {{ stride: {stride} reverse: {said(back)} }}"
    return Case("Reorg", settings, {"x": x}, lambda x: formulas.reorg(x, stride, back), opencv=stride == 2 and not back)


def normalize(random: Random) -> Case:
    across, shared, dims = flag(random), flag(random), shape(random)
    settings = f"norm_param {{ across_spatial: {said(across)} channel_shared: {said(shared)} eps: 0.01 }}"
    scale = random.normal(size=() if shared else dims[1:2]).astype("f4")
    judge = lambda x: formulas.ssd_normalize(x, scale, across, 0.01)  # noqa: E731
    return Case("Normalize", settings, {"x": blob(random, *dims)}, judge, [scale], opencv=shared or not across)


def normalize_of_normface(random: Random) -> Case:
    kind = "L1" if flag(random) else "L2"

    def judge(x: np.ndarray) -> np.ndarray:
        norm = np.abs(x).sum(1, keepdims=True) + 1e-6 if kind == "L1" else np.sqrt((x**2).sum(1, keepdims=True) + 1e-6)
        return x / norm

    settings = f'normalize_param {{ normalize_type: "{kind}" }}'
    return Case("Normalize", settings, {"x": blob(random, *shape(random))}, judge, opencv=False)


def roi_pooling(random: Random) -> Case:
    dims, (h, w), scale = shape(random), map(int, random.integers(1, 5, 2)), float(random.choice([1, 0.5, 0.25]))
    settings = f"roi_pooling_param {{ pooled_h: {h} pooled_w: {w} spatial_scale: {scale} }}"
    rois = regions(random, int(random.integers(1, 5)), dims[0], scale)
    judge = lambda x, r: formulas.roi_pooling(x, r, (h, w), scale)  # noqa: E731
    return Case("ROIPooling", settings, {"x": blob(random, *dims), "r": rois}, judge)


def psroi_pooling(random: Random) -> Case:
    group, outputs, scale = *map(int, random.integers(1, 4, 2)), float(random.choice([1, 0.5, 0.25]))
    dims = shape(random, outputs * group**2)
    settings = f"psroi_pooling_param {{ output_dim: {outputs} group_size: {group} spatial_scale: {scale} }}"
    rois = regions(random, int(random.integers(1, 5)), dims[0], scale)
    judge = lambda x, r: formulas.psroi_pooling(x, r, outputs, group, scale)  # noqa: E731
    return Case("PSROIPooling", settings, {"x": blob(random, *dims), "r": rois}, judge)


def roi_align(random: Random) -> Case:
    dims, (h, w), scale = shape(random), map(int, random.integers(1, 5, 2)), float(random.choice([1, 0.5, 0.25]))
    ratio = int(random.integers(3))
    more = f"sampling_ratio: {ratio}" if ratio else ""
    settings = f"roi_align_param {{ pooled_h: {h} pooled_w: {w} spatial_scale: {scale} {more} }}"
    rois = regions(random, int(random.integers(1, 5)), dims[0], scale)
    judge = lambda x, r: formulas.roi_align(x, r, (h, w), scale, ratio)  # noqa: E731
    return Case("ROIAlign", settings, {"x": blob(random, *dims), "r": rois}, judge, opencv=False)


def merge_crop(random: Random) -> Case:
    add, n, c, h, w = flag(random), *shape(random)
    more = map(int, random.integers(0, 4, 2))
    bottoms = {
        "x": blob(random, n, c, h, w),
        "z": blob(random, n, c, *(size + by for size, by in zip((h, w), more, strict=True))),
    }
    first = flag(random)
    settings = f"mergecrop_param {{ operation: {'ADD' if add else 'STACK'} forward: {said(first)} }}"
    judge = lambda x, z: formulas.merge_crop(x, z, add, [first, True])  # noqa: E731
    return Case("MergeCrop", settings, bottoms, judge, opencv=False)


def mask_pooling(random: Random) -> Case:
    n, c, h, w = shape(random)
    bottoms = {"x": blob(random, n, c, h, w), "z": blob(random, n, 1, h, w)}
    judge = lambda x, z: np.stack([x[:, k] * z[:, 0] for k in range(c)], 1)  # noqa: E731
    return Case("MaskPooling", "", bottoms, judge, opencv=False, learns=2)


def selu(random: Random) -> Case:
    judge = lambda x: 1.050700987 * np.where(x > 0, x, 1.67326324 * (np.exp(x) - 1))  # noqa: E731
    return Case("SeLu", "", {"x": blob(random, *shape(random))}, judge, opencv=False)


def mish(random: Random) -> Case:
    judge = lambda x: x * np.tanh(np.log(1 + np.exp(x)))  # noqa: E731
    return Case("Mish", "", {"x": blob(random, *shape(random))}, judge, opencv=False)


def add(random: Random) -> Case:
    dims = shape(random)
    return Case("Add", "", {"x": blob(random, *dims), "z": blob(random, *dims)}, np.add, opencv=False, learns=2)


def prior_box(random: Random) -> Case:
    _, _, *cells = shape(random)
    image = [int(side) for side in random.integers(20, 60, 2)]
    least = [int(size) for size in random.integers(3, 12, int(random.integers(1, 3)))]
    most = [size + int(random.integers(1, 9)) for size in least] if flag(random) else []
    ratios = [float(ratio) for ratio in random.choice([1, 2, 3, 0.5], int(random.integers(0, 4)))]
    flip, clip, offset = flag(random), flag(random), float(random.choice([0.5, 0]))
    variances = [0.1] if flag(random) else [0.1, 0.1, 0.2, 0.2]
    step = float(random.integers(2, 9)) if flag(random) else 0
    settings = " ".join(
        [
            *(f"{name}: {value}" for name, values in (("min_size", least), ("max_size", most)) for value in values),
            *(f"aspect_ratio: {ratio}" for ratio in ratios),
            *(f"variance: {variance}" for variance in variances),
            f"flip: {said(flip)} clip: {said(clip)} offset: {offset}",
            f"step: {step}" if step else "",
        ]
    )
    steps = (step, step) if step else (image[0] / cells[0], image[1] / cells[1])
    sizes = formulas.prior_sizes(least, most, ratios, flip)
    judge = lambda m, i: formulas.priors((*cells,), (*image,), steps, sizes, offset, variances, clip)  # noqa: E731
    bottoms = {"m": np.zeros((1, 1, *cells), "f4"), "i": np.zeros((1, 3, *image), "f4")}
    return Case("PriorBox", f"prior_box_param {{ {settings} }}", bottoms, judge, opencv=len(least) == 1)


def prior_box_clustered(random: Random) -> Case:
    _, _, *cells = shape(random)
    image = [int(side) for side in random.integers(20, 60, 2)]
    sizes = [(float(w), float(h)) for w, h in random.uniform(2, 20, (int(random.integers(1, 4)), 2)).round(2)]
    listed = " ".join(f"width: {w} height: {h}" for w, h in sizes)
    settings = f"prior_box_param {{ {listed} variance: 0.1 step_h: 8 step_w: 4 img_h: {image[0]} img_w: {image[1]} }}"
    judge = lambda m, i: formulas.priors((*cells,), (*image,), (8, 4), sizes, 0.5, [0.1], False)  # noqa: E731
    bottoms = {"m": np.zeros((1, 1, *cells), "f4"), "i": np.zeros((1, 3, 8, 8), "f4")}
    return Case("PriorBoxClustered", settings, bottoms, judge, opencv=False)


def detection_output(random: Random, refined: bool = False) -> Case:
    images, boxes, classes = map(int, random.integers((1, 3, 2), (3, 12, 5)))
    share, in_target = flag(random) or refined, flag(random)
    code = int(random.integers(1, 4))
    options = {
        "background": int(random.choice([0, 0, -1])),
        "nms": float(random.choice([0.3, 0.45, 0.7])),
        "eta": float(random.choice([1, 0.9])),
        "top_k": int(random.choice([-1, 3, 100])),
        "keep": int(random.choice([-1, 2, 100])),
        "confidence": float(random.choice([0.1, 0.4, 0.99])),
    }
    name = {1: "CORNER", 2: "CENTER_SIZE", 3: "CORNER_SIZE"}[code]
    top_k = f"top_k: {options['top_k']}" if options["top_k"] > -1 else ""
    settings = f"""detection_output_param {{ num_classes: {classes} share_location: {said(share)} code_type: {name}
        background_label_id: {options["background"]} variance_encoded_in_target: {said(in_target)}
        keep_top_k: {options["keep"]} confidence_threshold: {options["confidence"]}
        nms_param {{ nms_threshold: {options["nms"]} eta: {options["eta"]} {top_k} }}
        {"objectness_score: 0.3" * refined} }}"""
    low = random.uniform(0, 0.5, (boxes, 2))
    prior = np.concatenate([low, low + random.uniform(0.1, 0.5, (boxes, 2))], 1).ravel()
    spread = random.uniform(0.1, 0.3, prior.size)
    kinds = 1 if share else classes
    bottoms = {
        "x": 0.3 * blob(random, images, boxes * kinds * 4),
        "s": random.uniform(size=(images, boxes * classes)).astype("f4"),
        "p": np.array([[prior, spread]], "f4"),
    }
    if refined:
        bottoms["o"] = random.uniform(size=(images, boxes * 2)).astype("f4")
        bottoms["z"] = 0.3 * blob(random, images, boxes * 4)

    def judge(x: np.ndarray, s: np.ndarray, p: np.ndarray, *more: np.ndarray) -> np.ndarray:
        said = dict(zip(("objectness", "moves"), more, strict=False))
        return formulas.detection_output(
            x, s, p, classes, share=share, code=code, in_target=in_target, least=0.3, **options, **said
        )

    readable = (
        not (refined or in_target or code == 3)
        and options["background"] == 0
        and options["keep"] > 0
        and options["eta"] == 1
    )
    return Case("DetectionOutput", settings, bottoms, judge, opencv=readable)


def refined_detection_output(random: Random) -> Case:
    return detection_output(random, refined=True)


def multibox_loss(random: Random) -> Case:
    images, priors, classes, boxes = map(int, random.integers((1, 3, 2, 0), (4, 12, 5, 6)))
    code, norm = int(random.integers(1, 4)), str(random.choice(["VALID", "FULL", "BATCH_SIZE", "NONE"]))
    in_target, each, mine, difficult, smooth = (flag(random) for _ in range(5))
    options = {"threshold": float(random.choice([0.3, 0.5])), "ratio": float(random.choice([1, 3])), "weight": 0.5}
    settings = f"""loss_param {{ normalization: {norm} }} multibox_loss_param {{ num_classes: {classes}
        code_type: {("CORNER", "CENTER_SIZE", "CORNER_SIZE")[code - 1]} encode_variance_in_target: {said(in_target)}
        match_type: {"PER_PREDICTION" if each else "BIPARTITE"} mining_type: {"MAX_NEGATIVE" if mine else "NONE"}
        use_difficult_gt: {said(difficult)} loc_loss_type: {"SMOOTH_L1" if smooth else "L2"} loc_weight: 0.5
        overlap_threshold: {options["threshold"]} neg_overlap: 0.4 neg_pos_ratio: {options["ratio"]} }}"""

    def corners(count: int) -> np.ndarray:
        low = random.uniform(0, 0.5, (count, 2))
        return np.concatenate([low, low + random.uniform(0.2, 0.5, (count, 2))], 1)

    truth = np.zeros((max(boxes, 1), 8))
    truth[:, 0] = random.integers(images, size=len(truth)) if boxes else -1
    truth[:, 1] = random.integers(1, classes, size=len(truth))
    truth[:, 3:7] = corners(len(truth))
    truth[:, 7] = random.integers(2, size=len(truth))
    bottoms = {
        "x": blob(random, images, priors * 4),
        "s": blob(random, images, priors * classes),
        "p": np.array([[corners(priors).ravel(), random.uniform(0.1, 0.3, priors * 4)]], "f4"),
        "t": truth[None, None].astype("f4"),
    }
    options |= {"code": code, "in_target": in_target, "each": each, "negative": 0.4, "mine": mine}
    options |= {"difficult": difficult, "smooth": smooth, "norm": norm}
    judge = lambda *given: formulas.multibox_loss(*given, classes, **options)  # noqa: E731
    return Case("MultiBoxLoss", settings, bottoms, judge, opencv=False, learns=2)


def yolo(random: Random) -> Case:
    classes, side, images, anchors = *map(int, random.integers(1, 4, 3)), [(1.5, 2.5), (3.0, 1.0)]
    settings = f"""yolo_detection_output_param {{ num_classes: {classes} num_box: 2 confidence_threshold: 0.3
        nms_threshold: 0.45 biases: 1.5 biases: 2.5 biases: 3 biases: 1 }}"""
    sides = [side, side * 2][: int(random.integers(1, 3))]
    bottoms = {name: blob(random, images, 2 * (5 + classes), n, n) for name, n in zip("xz", sides, strict=False)}
    blobs = len(bottoms)
    judge = lambda *b: formulas.yolo(b, classes, [anchors] * blobs, [1] * blobs, 0.3, 0.45, True)  # noqa: E731
    return Case("YoloDetectionOutput", settings, bottoms, judge, opencv=False)


def yolo_v3(random: Random) -> Case:
    classes, side, images = map(int, random.integers(1, 4, 3))
    biases = [float(each) for each in random.uniform(5, 60, 8).round(1)]
    pairs = list(zip(biases[::2], biases[1::2], strict=True))
    settings = f"""yolov3_detection_output_param {{ num_classes: {classes} num_box: 2 mask_group_num: 2
        confidence_threshold: 0.3 nms_threshold: 0.45 {" ".join(f"biases: {each}" for each in biases)}
        mask: 2 mask: 3 mask: 0 mask: 1 anchors_scale: 32 anchors_scale: 16 }}"""
    bottoms = {name: blob(random, images, 2 * (5 + classes), n, n) for name, n in (("x", side), ("z", side * 2))}
    anchors = [pairs[2:], pairs[:2]]
    judge = lambda *blobs: formulas.yolo(blobs, classes, anchors, [32, 16], 0.3, 0.45, False)  # noqa: E731
    return Case("Yolov3DetectionOutput", settings, bottoms, judge, opencv=False)


def proposal(random: Random) -> Case:
    ratios, scales = [0.5, 2.669], [1.0, 2.0, 4.0][: int(random.integers(1, 4))]
    anchors = len(ratios) * len(scales)
    n, _, h, w = shape(random)
    info = [float(h * 16), float(w * 16), 1.5, 0.5][: int(random.integers(3, 5))]
    before, after = int(random.choice([5, 1000])), int(random.choice([3, 100]))
    listed = " ".join([*(f"ratio: {ratio}" for ratio in ratios), *(f"scale: {scale}" for scale in scales)])
    settings = f"""proposal_param {{ feat_stride: 16 base_size: 16 min_size: 8 {listed} nms_thresh: 0.6
        pre_nms_topn: {before} post_nms_topn: {after} }}"""
    bottoms = {
        "s": random.uniform(size=(n, 2 * anchors, h, w)).astype("f4"),
        "x": 0.3 * blob(random, n, 4 * anchors, h, w),
        "i": np.array([info], "f4"),
    }

    def judge(s: np.ndarray, x: np.ndarray, i: np.ndarray) -> np.ndarray:
        return formulas.proposals(
            s, x, i[0], base=16, ratios=ratios, scales=scales, stride=16, least=8, before=before, after=after, nms=0.6
        )[0]

    return Case("Proposal", settings, bottoms, judge, opencv=False)


WITH_GRADIENT = [
    permute,
    transpose,
    reverse,
    reorg,
    normalize,
    normalize_of_normface,
    roi_pooling,
    psroi_pooling,
    roi_align,
    merge_crop,
    mask_pooling,
    selu,
    mish,
    add,
    multibox_loss,
]
WITHOUT_GRADIENT = [
    prior_box,
    prior_box_clustered,
    detection_output,
    refined_detection_output,
    yolo,
    yolo_v3,
    proposal,
]
Maker = Callable[[Random], Case]


def assert_near(ours: np.ndarray, theirs: np.ndarray, seed: int) -> None:
    assert ours.shape == theirs.shape, seed
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5 * max(np.abs(theirs).max(), 1e-3), err_msg=str(seed))
