"""Small data sets laid out as the published ones are: VOC, SBDD, SYNTHIA, NYUDv2, SIFT Flow, PASCAL-Context."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
from PIL import Image

from caffe_fcn.datasets.records import palette
from caffe_fcn.datasets.reference_layers.published_sets import SETS

SIFT = "spatial_envelope_256x256_static_8outdoorcategories"
VOID = 255


def photo(path: Path, seed: int) -> np.ndarray:
    """Write an image; returns it as it reads back, H x W x 3."""
    random = np.random.default_rng(seed)
    height, width = random.integers(20, 40, 2)
    coarse = Image.fromarray(random.integers(0, 256, (5, 5, 3), np.uint8))
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse.resize((width, height)).save(path)
    return np.array(Image.open(path))


def label(image: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Classes for an image, some void."""
    values = np.random.default_rng(seed + 1000).integers(0, count, image.shape[:2]).astype(np.uint8)
    values[0] = VOID
    return values


def mat(path: Path, **content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(path, content, do_compression=True)


def listed(path: Path, names: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{name}\n" for name in names))


Known = dict[str, dict[str, np.ndarray]]


def voc(root: Path, splits: dict[str, list[str]], seed: int = 0) -> Known:
    """name -> data (H x W x 3), label (H x W)."""
    known: Known = {}
    for number, name in enumerate(sorted({name for names in splits.values() for name in names}), seed):
        image = photo(root / "JPEGImages" / f"{name}.jpg", number)
        classes_ = label(image, 21, number)
        paletted = Image.fromarray(classes_, "P")
        paletted.putpalette([value for colour in palette.make_voc_palette() for value in colour])
        (root / "SegmentationClass").mkdir(exist_ok=True)
        paletted.save(root / "SegmentationClass" / f"{name}.png")
        known[name] = {"data": image, "label": classes_}
    for split, names in splits.items():
        listed(root / "ImageSets" / "Segmentation" / f"{split}.txt", names)
    return known


def sbdd(root: Path, splits: dict[str, list[str]], seed: int = 50) -> Known:
    known: Known = {}
    for number, name in enumerate(sorted({name for names in splits.values() for name in names}), seed):
        image = photo(root / "img" / f"{name}.jpg", number)
        classes_ = label(image, 21, number)
        classes_[classes_ == VOID] = 0
        content = np.zeros((1,), dtype=[("Boundaries", object), ("Segmentation", object)])
        content["Segmentation"][0] = classes_
        mat(root / "cls" / f"{name}.mat", GTcls=content)
        known[name] = {"data": image, "label": classes_}
    for split, names in splits.items():
        listed(root / f"{split}.txt", names)
    return known


def nyud(root: Path, splits: dict[str, list[str]]) -> Known:
    known: Known = {}
    for number, name in enumerate(sorted({name for names in splits.values() for name in names})):
        image = photo(root / "data" / "images" / f"img_{name}.png", number)
        known[name] = {"color": image, "label": label(image, 40, number)}
        mat(root / "segmentation" / f"img_{name}.mat", segmentation=(known[name]["label"] + np.uint8(1)))
        random = np.random.default_rng(number)
        known[name]["hha"] = random.integers(0, 256, image.shape, np.uint8)
        known[name]["depth"] = random.integers(500, 9000, image.shape[:2]).astype(np.uint16)
        for kind in ("hha", "depth"):
            path = root / "data" / kind / f"img_{name}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(known[name][kind]).save(path)
    for split, names in splits.items():
        listed(root / f"{split}.txt", names)
    return known


def siftflow(root: Path, splits: dict[str, list[str]]) -> Known:
    known: Known = {}
    for number, name in enumerate(sorted({name for names in splits.values() for name in names})):
        image = photo(root / "Images" / SIFT / f"{name}.jpg", number)
        known[name] = {"data": image, "sem": label(image, 33, number), "geo": label(image, 3, number)}
        semantic = known[name]["sem"].astype(np.int16) + 1
        mat(root / "SemanticLabels" / SIFT / f"{name}.mat", S=np.where(semantic == 256, 0, semantic).astype(np.uint8))
        geometric = known[name]["geo"].astype(np.int16) + 1
        mat(root / "GeoLabels" / SIFT / f"{name}.mat", S=np.where(geometric == 256, -1, geometric))
    for split, names in splits.items():
        listed(root / f"{split}.txt", names)
    return known


def pascal_context(voc_dir: Path, context_dir: Path, splits: dict[str, list[str]]) -> Known:
    """Of 459 classes of which some are no class of the task: those become 0."""
    task = list(SETS["pascalcontext"].classes["label"][1:])
    every = [f"other{i}" for i in range(400)] + [_as_in_the_long_list(name) for name in task]
    order = np.random.default_rng(5).permutation(len(every))
    every = [every[i] for i in order]
    listed(context_dir / "labels.txt", [f"{i}: {name}" for i, name in enumerate(every, 1)])
    listed(context_dir / "59_labels.txt", [f"{i}: {name}" for i, name in enumerate(task, 1)])
    known: Known = {}
    for number, name in enumerate(sorted({name for names in splits.values() for name in names})):
        image = photo(voc_dir / "VOC2010" / "JPEGImages" / f"{name}.jpg", number)
        task_label = np.random.default_rng(number).integers(0, 60, image.shape[:2]).astype(np.uint8)
        of_task = np.array([every.index("other7"), *(every.index(_as_in_the_long_list(n)) for n in task)]) + 1
        mat(context_dir / "trainval" / f"{name}.mat", LabelMap=of_task[task_label].astype(np.uint16))
        known[name] = {"data": image, "label": task_label}
    for split, names in splits.items():
        listed(voc_dir / "VOC2010" / "ImageSets" / "Main" / f"{split}.txt", names)
    return known


def _as_in_the_long_list(name: str) -> str:
    return {"diningtable": "table", "bedcloth": "bedclothes", "clothes": "cloth"}.get(name, name)
