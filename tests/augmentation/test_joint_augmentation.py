"""The geometry, the colours and the draws of joint augmentation: closed forms, and other libraries."""

from __future__ import annotations

import ast
import json
import re
from typing import Any

import click
import numpy as np
import pytest
from command import ROOT
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance
from scipy import ndimage

from caffe_fcn import proto
from caffe_fcn.augmentation import FILE, is_augmentation, joint_augmentation, parse_transforms
from caffe_fcn.augmentation.joint_augmentation import TRANSFORMS, Augmentation, Draw, Grid, check_transforms
from caffe_fcn.errors import NetError

AS_IT_IS = Draw(flip=False, scale=1.0, angle=0.0, row=0.5, column=0.5, brightness=1.0, contrast=1.0, saturation=1.0)
OUTSIDE, VOID = -7.0, 255.0

sides = st.integers(1, 40)
shares = st.floats(0, 1, exclude_max=True)
draws = st.builds(
    Draw,
    flip=st.booleans(),
    scale=st.floats(0.25, 4),
    angle=st.floats(-180, 180),
    row=shares,
    column=shares,
    brightness=st.just(1.0),
    contrast=st.just(1.0),
    saturation=st.just(1.0),
)


def augmentation(transforms: dict[str, Any], seed: int = 3, **photo: Any) -> Augmentation:
    """Of a photo and its label."""
    bottoms = [{"kind": "photo", "outside": OUTSIDE, **photo}, {"kind": "label", "outside": VOID}]
    return Augmentation(json.dumps({"transforms": transforms, "seed": seed, "bottoms": bottoms}))


def noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(height * 100 + width).normal(size=(channels, height, width)).astype(np.float32)


def places(height: int, width: int) -> np.ndarray:
    """An image whose pixels are their own row and column, and 1."""
    return np.stack([*np.indices((height, width)), np.ones((height, width))]).astype(np.float32)


def numbers(height: int, width: int) -> np.ndarray:
    """A label whose pixels are numbered, from 0."""
    return np.arange(height * width, dtype=np.float32).reshape(1, height, width)


@given(sides, sides)
def test_no_turn_and_scale_1_is_the_image_itself(height: int, width: int) -> None:
    grid = Grid((height, width), None, AS_IT_IS)
    image = noise(height, width)
    np.testing.assert_array_equal(grid.interpolate(image, OUTSIDE), image)
    np.testing.assert_array_equal(grid.take_nearest(image, OUTSIDE), image)


@given(sides, sides)
def test_a_flip_is_the_mirror_image_and_two_are_none(height: int, width: int) -> None:
    grid = Grid((height, width), None, AS_IT_IS._replace(flip=True))
    image = noise(height, width)
    flipped = grid.interpolate(image, OUTSIDE)
    np.testing.assert_array_equal(flipped, image[:, :, ::-1])
    np.testing.assert_array_equal(grid.interpolate(flipped, OUTSIDE), image)


@given(sides, st.sampled_from([(90.0, -1), (-90.0, 1), (180.0, 2), (-180.0, 2)]))
def test_a_quarter_turn_is_exact(side: int, turn: tuple[float, int]) -> None:
    """numpy's rot90 turns counterclockwise."""
    angle, quarters = turn
    grid = Grid((side, side), None, AS_IT_IS._replace(angle=angle))
    image = noise(side, side)
    np.testing.assert_array_equal(grid.interpolate(image, OUTSIDE), np.rot90(image, quarters, (1, 2)))


@given(sides, sides, sides, sides, shares, shares, st.booleans())
def test_a_crop_is_a_window_of_the_image_with_the_outside_around_it(
    height: int, width: int, rows: int, columns: int, row: float, column: float, flip: bool
) -> None:
    label = numbers(height, width)
    crop = Grid((height, width), (rows, columns), AS_IT_IS._replace(row=row, column=column, flip=flip))
    top = crop.take_nearest(label, -1)
    assert top.shape == (1, rows, columns)
    np.testing.assert_array_equal(crop.interpolate(label, -1), top)
    seen = top[top >= 0]
    assert seen.size == min(height, rows) * min(width, columns), "as much of the image as fits"
    first = int(seen[-1] if flip else seen[0])
    found = sorted(seen.astype(int))
    window = numbers(height, width)[0].astype(int)
    y, x = divmod(found[0], width)
    assert found == sorted(window[y : y + min(height, rows), x : x + min(width, columns)].ravel().tolist())
    assert first in found


@given(sides, sides, st.one_of(st.none(), st.tuples(sides, sides)), draws)
def test_image_and_label_stay_in_step(height: int, width: int, crop: tuple[int, int] | None, drawn: Draw) -> None:
    """Bilinear means of rows and columns are the place that a pixel comes from: the label is that of its nearest."""
    grid = Grid((height, width), crop, drawn)
    row, column, inside = grid.interpolate(places(height, width), 0)
    label = grid.take_nearest(numbers(height, width), VOID * 100)[0]
    whole = inside == 1
    nearest = np.floor(row + 0.5) * width + np.floor(column + 0.5)
    np.testing.assert_array_equal(label[whole], nearest[whole])
    outside = inside == 0
    assert (label[outside] == VOID * 100).all()


@given(sides, sides, draws)
def test_labels_are_never_interpolated(height: int, width: int, drawn: Draw) -> None:
    label = np.where(noise(height, width, 1) > 0, 9, 2).astype(np.float32)
    assert set(np.unique(Grid((height, width), None, drawn).take_nearest(label, VOID))) <= {2, 9, VOID}


@given(st.integers(8, 40), st.integers(8, 40), draws)
def test_the_bilinear_image_is_scipys(height: int, width: int, drawn: Draw) -> None:
    """`scipy.ndimage.affine_transform` with the inverse map, in float64: places differ by 1/512 of a pixel at most."""
    radians = np.deg2rad(drawn.angle)
    cosine, sine = np.cos(radians) / drawn.scale, np.sin(radians) / drawn.scale
    matrix = np.array([[cosine, -sine], [sine, cosine]])  # of rows and columns, y downwards
    if drawn.flip:
        matrix[1] *= -1
    centre = (np.array([height, width]) - 1) / 2
    image = np.add.outer(np.sin(np.arange(height) / 3), np.cos(np.arange(width) / 4))  # smooth
    expected = ndimage.affine_transform(image, matrix, centre - matrix @ centre, order=1, cval=np.nan)
    found = Grid((height, width), None, drawn).interpolate(image[None].astype(np.float32), 0)[0]
    inside = np.isfinite(expected)
    assert inside.any()
    np.testing.assert_allclose(found[inside], expected[inside], atol=0.6 / 256)


def test_a_positive_angle_turns_clockwise() -> None:
    """Pillow turns counterclockwise."""
    image = np.zeros((1, 31, 31), np.float32)
    image[0, 3:6, 14:17] = 1  # at the top
    turned = Grid((31, 31), None, AS_IT_IS._replace(angle=30)).take_nearest(image, 0)[0]
    theirs = np.asarray(Image.fromarray(image[0]).rotate(-30))
    assert turned[:, 16:].sum() == turned.sum() > 0
    np.testing.assert_allclose(ndimage.center_of_mass(turned), ndimage.center_of_mass(theirs), atol=0.5)


# The colours


@pytest.mark.parametrize("name", ["brightness", "saturation"])
@pytest.mark.parametrize("factor", [0.7, 1.3])
def test_brightness_and_saturation_are_pillows(name: str, factor: float) -> None:
    """Of pixels that a data layer made by (pixel - mean) * scale; Pillow's pixels are rounded."""
    mean, scale = np.array([104.0, 117.0, 123.0])[:, None, None], 0.5
    pixels = np.random.default_rng(0).integers(40, 180, (3, 12, 15), np.uint8)
    enhance = {"brightness": ImageEnhance.Brightness, "saturation": ImageEnhance.Color}[name]
    picture = Image.fromarray(np.ascontiguousarray(pixels[::-1].transpose(1, 2, 0)))
    theirs = np.asarray(enhance(picture).enhance(factor)).transpose(2, 0, 1)[::-1]
    layer = augmentation({}, black=[float(-value * scale) for value in mean.ravel()])
    drawn = AS_IT_IS._replace(**{name: factor})
    label = np.zeros((1, 12, 15), np.float32)
    ours, _ = layer.apply([((pixels - mean) * scale).astype(np.float32), label], drawn)
    np.testing.assert_allclose(ours / scale + mean, theirs, atol=1.3)


def test_contrast_is_about_the_mean_and_leaves_it() -> None:
    image = noise(5, 6) + OUTSIDE
    layer = augmentation({}, black=[-100, -110, -120])
    ours, _ = layer.apply([image, np.zeros((1, 5, 6), np.float32)], AS_IT_IS._replace(contrast=1.5))
    np.testing.assert_allclose(ours, (image - OUTSIDE) * 1.5 + OUTSIDE, rtol=1e-4)


def test_planes_and_labels_keep_their_values() -> None:
    bottoms = [{"kind": "photo"}, {"kind": "planes"}, {"kind": "label"}]
    layer = Augmentation(json.dumps({"transforms": {"colour": 0.9}, "bottoms": bottoms}))
    blobs = [noise(5, 6)[None] for _ in bottoms]
    photo, planes, label = layer(blobs, 0)
    assert not np.array_equal(photo, blobs[0])
    np.testing.assert_array_equal(planes, blobs[1])
    np.testing.assert_array_equal(label, blobs[2])


# The draws


def test_draws_are_splitmix64() -> None:
    """The first number of the generator seeded by 1234567, as published for it."""
    assert joint_augmentation._mix(1234567) == 6457827717110365317


def test_a_draw_depends_on_seed_pass_and_place_alone() -> None:
    transforms = parse_transforms("default")
    seen = {(seed, number, item): augmentation(transforms, seed).draw(number, item) for seed in (1, 2)
            for number in (0, 1, 1000) for item in (0, 1)}  # fmt: skip
    assert len({*seen.values()}) == len(seen)
    assert {key: augmentation(transforms, key[0]).draw(*key[1:]) for key in reversed(seen)} == seen


def test_one_transform_leaves_the_draws_of_another_as_they_are() -> None:
    more, less = (augmentation(parse_transforms(text)).draw(5, 0) for text in ("default", "rotate"))
    assert (more.angle, less.scale) == (less.angle, 1)


def test_draws_are_spread_evenly_within_their_limits() -> None:
    layer = augmentation(parse_transforms("flip=0.25,scale=0.5:2,rotate=20,colour=0.5"))
    drawn = np.array([layer.draw(number, 0) for number in range(4000)], float)
    limits = {"scale": (0.5, 2), "angle": (-20, 20), "row": (0, 1), "column": (0, 1), "brightness": (0.5, 1.5),
              "contrast": (0.5, 1.5), "saturation": (0.5, 1.5)}  # fmt: skip
    assert abs(drawn[:, 0].mean() - 0.25) < 0.03
    for place, name in enumerate(Draw._fields[1:], 1):
        low, high = limits[name]
        counts, _ = np.histogram(drawn[:, place], bins=10, range=(low, high))
        assert counts.sum() == 4000 and abs(counts - 400).max() < 100, name
    independent = np.corrcoef(drawn, rowvar=False) - np.eye(len(Draw._fields))
    assert abs(independent).max() < 0.08


# What is refused


@pytest.mark.parametrize(
    ("param", "what"),
    [
        ("{'transforms': {}}", "param_str is not JSON"),
        ("[]", "param_str must be an object"),
        ('{"bottom": []}', "param_str has no 'bottom'"),
        ('{"transforms": {}}', "bottoms must be a list"),
        ('{"transforms": {"turn": 3}, "bottoms": [{"kind": "label"}]}', "transforms has no 'turn'"),
        ('{"transforms": {"flip": 2}, "bottoms": [{"kind": "label"}]}', "flip must be the probability"),
        ('{"transforms": {"flip": NaN}, "bottoms": [{"kind": "label"}]}', "flip must be the probability"),
        ('{"transforms": {"flip": true}, "bottoms": [{"kind": "label"}]}', "flip must be the probability"),
        ('{"transforms": {"scale": [2, 1]}, "bottoms": [{"kind": "label"}]}', "scale must be the least"),
        ('{"transforms": {"crop": [0, 3]}, "bottoms": [{"kind": "label"}]}', "crop must be the size"),
        ('{"seed": -1, "bottoms": [{"kind": "label"}]}', "seed must be a whole number"),
        ('{"bottoms": [{"kind": "mask"}]}', r"bottoms\[0\] must be of a kind"),
        ('{"bottoms": [{"kind": "label", "outside": "x"}]}', r"bottoms\[0\].outside must be a number"),
    ],
)
def test_a_param_str_that_is_not_one(param: str, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        Augmentation(param)


@pytest.mark.parametrize(
    ("shapes", "what"),
    [
        ([(1, 3, 4, 5)], "describes 2 bottoms, there are 1"),
        ([(1, 3, 4, 5), (1,)], "4 axes"),
        ([(1, 3, 4, 5), (1, 1, 4, 6)], "one size, not 1x3x4x5 and 1x1x4x6"),
        ([(2, 3, 4, 5), (1, 1, 4, 5)], "one size"),
    ],
)
def test_bottoms_that_do_not_fit(shapes: list[tuple[int, ...]], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        augmentation({}).infer_shapes(shapes)


def test_a_crop_that_no_blob_holds() -> None:
    with pytest.raises(ValueError, match="makes 1x3x32767x32767, which is more than a blob of Caffe holds"):
        augmentation({"crop": [32767, 32767]}).infer_shapes([(1, 3, 4, 4), (1, 1, 4, 4)])


def test_values_for_other_channels_than_the_images() -> None:
    with pytest.raises(ValueError, match="has 2 values for the 3 channels of a photo"):
        augmentation({}, outside=[1, 2])([noise(4, 4)[None], numbers(4, 4)[None]], 0)


# Transforms as text


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("flip", {"flip": 0.5}),
        ("flip=0.3, scale=0.5:2", {"flip": 0.3, "scale": (0.5, 2)}),
        ("crop=320", {"crop": (320, 320)}),
        ("crop=320x240,color", {"crop": (320, 240), "colour": 0.2}),
        ("default,rotate=0", {"flip": 0.5, "scale": (0.75, 1.25), "rotate": 0, "colour": 0.2}),
    ],
)
def test_transforms_as_text(text: str, values: dict[str, Any]) -> None:
    assert parse_transforms(text) == values
    assert check_transforms(json.loads(json.dumps(values))) == values, "as param_str has them"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "has no transform ''"),
        ("flop", "did you mean flip"),
        ("crop", "crop has no value"),
        ("flip,flip=1", "has 'flip' twice"),
        ("scale=2:1", "scale cannot be '2:1'"),
        ("scale=1:2:3", "scale cannot be"),
        ("crop=3x4.5", "crop cannot be"),
        ("rotate=nan", "rotate cannot be 'nan'"),
        ("rotate=" + "9" * 400, "rotate cannot be"),
        ("flip=", "flip cannot be ''"),
    ],
)
def test_text_that_is_not_transforms(text: str, what: str) -> None:
    with pytest.raises(NetError, match=what):
        parse_transforms(text)


def test_every_usual_value_is_one() -> None:
    assert all(row.usual is None or row.check(row.usual) for row in TRANSFORMS.values())


# What is said of it


def test_the_page_and_the_help_name_every_transform() -> None:
    page = (ROOT / "docs/augmentation.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| .* \| (.+) \|$", page, re.MULTILINE))
    assert rows.keys() == TRANSFORMS.keys()
    for name, alone in rows.items():
        if TRANSFORMS[name].usual is not None:
            assert parse_transforms(alone.strip("`")) == parse_transforms(name)
    from caffe_fcn.cli.params import augment_option

    shown = build_command(augment_option).params[0].help or ""
    assert [name for name in TRANSFORMS if name not in shown] == []


def build_command(option: Any) -> click.Command:
    return click.command()(option(lambda augment: None))


def test_the_layer_that_its_file_shows_is_one() -> None:
    _, *lines = (joint_augmentation.__doc__ or "").split("    layer {", 1)
    text = "layer {" + lines[0].split("\n    }\n", 1)[0] + "}"
    net = proto.NetParameter()
    proto.parse(text, net)
    assert is_augmentation(net.layer[0])
    shapes = Augmentation(net.layer[0].python_param.param_str).infer_shapes([(1, 3, 50, 60), (1, 1, 50, 60)])
    assert shapes == [(1, 3, 320, 320), (1, 1, 320, 320)]


def test_the_layers_file_runs_in_old_pythons_and_imports_nothing_of_this_package() -> None:
    tree = ast.parse(FILE.read_text(), feature_version=(3, 6))
    imported = {
        name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names])
    }
    assert imported == {"json", "math", "os", "typing", "numpy", "caffe"}
