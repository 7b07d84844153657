"""Offsets: the published table and crops, closed forms, refusals, and scale over thousands of layers."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
import reference
from caffe_worker import CaffeWorker

from caffe_fcn import offsets, proto
from caffe_fcn.errors import NetError, OffsetError
from caffe_fcn.net import padding, walk
from caffe_fcn.net.geometry import exact
from caffe_fcn.net.graph import Graph
from caffe_fcn.net.receptive_fields import receptive_fields
from caffe_fcn.net.shapes import infer


def net(text: str) -> proto.NetParameter:
    result = proto.NetParameter()
    proto.parse(text, result)
    return result


def test_the_published_table_row_for_row() -> None:
    definition = reference.net("voc-fcn-alexnet", "train")
    published = reference.rows("offset_table_fcn_alexnet.csv")
    assert [row.as_json() for row in offsets.table(definition)] == published


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("voc-fcn-alexnet", {"score": 18}),
        ("voc-fcn32s", {"score": 19}),
        ("voc-fcn16s", {"score_pool4c": 5, "score": 27}),
        ("voc-fcn8s", {"score_pool4c": 5, "score_pool3c": 9, "score": 31}),
        ("voc-fcn8s-atonce", {"score_pool4c": 5, "score_pool3c": 9, "score": 31}),
    ],
)
def test_the_published_crop_offsets(name: str, published: dict[str, int]) -> None:
    definition = reference.net(name, "train")
    assert {crop.layer: set(crop.computed) for crop in offsets.crops(definition)} == {
        layer: {offset} for layer, offset in published.items()
    }
    assert all(crop.ok for crop in offsets.crops(definition))


@pytest.mark.parametrize("wrong", [0, 4, 30])
def test_fix_puts_every_crop_right_whatever_was_declared(wrong: int) -> None:
    published, broken = (reference.net("voc-fcn8s", "train") for _ in range(2))
    for layer in broken.layer:
        if layer.type == "Crop":
            layer.crop_param.offset[:] = [wrong]
    assert not all(crop.ok for crop in offsets.crops(broken))
    assert offsets.correct_crops(broken) == published


INPUT = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 1 dim: 64 dim: 64 } } }\n'


def window(kind: str, name: str, bottom: str, inside: str, param: str = "convolution_param") -> str:
    if param == "convolution_param":
        inside = f"num_output: 1 {inside}"
    return f'layer {{ name: "{name}" type: "{kind}" bottom: "{bottom}" top: "{name}" {param} {{ {inside} }} }}\n'


def cropped(bottom: str, to: str = "data", declared: str = "") -> str:
    return (
        f'layer {{ name: "crop" type: "Crop" bottom: "{bottom}" bottom: "{to}" top: "crop" '
        f"crop_param {{ axis: 2 {declared} }} }}\n"
    )


def test_each_axis_has_its_own_offset() -> None:
    definition = net(
        INPUT
        + window("Convolution", "c", "data", "kernel_h: 3 kernel_w: 5 stride_h: 1 stride_w: 2 pad_h: 7 pad_w: 9")
        + window("Deconvolution", "d", "c", "kernel_h: 1 kernel_w: 3 stride_h: 1 stride_w: 2")
        + cropped("d")
    )
    # closed form: H: pad 7 - (3-1)/2 = 6; W: (9 - 2)/2 * 2 + 1 = 8
    assert offsets.crop_offset(definition, "d", "data") == [6, 8]
    assert offsets.crops(definition)[0].as_json()["computed"] == ["6", "8"]
    assert list(offsets.correct_crops(definition).layer[-1].crop_param.offset) == [6, 8]


def test_dilation_counts_as_a_wider_kernel() -> None:
    definition = net(INPUT + window("Convolution", "c", "data", "kernel_size: 3 dilation: 4 pad: 6"))
    assert offsets.crop_offset(definition, "c", "data") == 6 - (3 - 1) * 4 // 2


def test_maps_pass_through_concat_slice_eltwise_split_and_in_place_layers() -> None:
    definition = net(
        INPUT
        + window("Convolution", "c", "data", "kernel_size: 3 pad: 5")
        + 'layer { name: "relu" type: "ReLU" bottom: "c" top: "c" }'
        + 'layer { name: "split" type: "Split" bottom: "c" top: "a" top: "b" }'
        + 'layer { name: "cat" type: "Concat" bottom: "a" bottom: "b" top: "cat" }'
        + 'layer { name: "slice" type: "Slice" bottom: "cat" top: "s" top: "t" }'
        + 'layer { name: "sum" type: "Eltwise" bottom: "s" bottom: "t" top: "sum" }'
    )
    assert offsets.crop_offset(definition, "sum", "data") == 4


PADDED = INPUT + window("Convolution", "c", "data", "kernel_size: [3, 5] pad: 4")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("axis: 1 offset: [1, 0, 0]", (1, 3, 2)),  # what it cuts off the channels does not follow from the net
        ("axis: 1", (0, 3, 2)),
        ("axis: -2 offset: 7", (3, 2)),
        ("axis: 0 offset: [0, 1, 3, 2]", (0, 1, 3, 2)),
    ],
)
def test_a_crop_may_begin_before_the_coordinates(given: str, expected: tuple[int, ...]) -> None:
    definition = net(PADDED + cropped("c").replace("axis: 2", given))
    assert offsets.crops(definition)[0].computed == expected
    fixed = offsets.correct_crops(definition)
    assert offsets.crops(fixed)[0].ok
    assert tuple(fixed.layer[-1].crop_param.offset) == expected


SIZED = """
layer { name: "size" type: "DummyData" top: "size" dummy_data_param { shape { dim: [1, 4, 9, 10] } } }
layer { name: "c" type: "Convolution" bottom: "data" top: "c"
        convolution_param { num_output: 4 kernel_size: 3 pad: 2 stride: 2 } }
layer { name: "crop" type: "Crop" bottom: "c" bottom: "size" top: "crop" crop_param { axis: 1 offset: [0, 1, 2] } }
layer { name: "pool" type: "Pooling" bottom: "crop" top: "pool" pooling_param { kernel_size: 3 stride: 2 } }
"""


def test_a_crop_to_a_size_begins_where_it_says() -> None:
    definition = net(INPUT + SIZED)
    (crop,) = offsets.crops(definition)
    assert (crop.computed, crop.ok, crop.derived) == ((0, 1, 2), True, False)
    # pool(i) looks at crop(2i + 1), that is c(2i + 2) and c(2i + 3), and c(j) at data(2j - 1)
    assert offsets.coord_map_between(definition, "pool", "data").maps == ((4, 3), (4, 5))
    rows, columns = receptive_fields(Graph(definition))["pool"]
    assert (rows.size, rows.stride, rows.centre) == (7, 4, 3)
    assert (columns.size, columns.stride, columns.centre) == (7, 4, 5)


def test_real_caffe_takes_a_crop_of_axis_1(caffe: CaffeWorker) -> None:
    answer = caffe.ask("shapes", INPUT + SIZED)
    assert answer
    assert {name: list(shape) for name, shape in infer(net(INPUT + SIZED)).blobs.items()} == answer["blobs"]


def test_images_of_different_axes_have_no_receptive_field() -> None:
    """Three spatial axes, then two: nothing is traced through, and nothing breaks."""
    text = window("Convolution", "c", "data", "axis: 0 kernel_size: [1, 2, 3]") + window(
        "Convolution", "d", "c", "kernel_size: [3, 5]"
    )
    assert "d" not in receptive_fields(Graph(net(INPUT + text)))


def test_the_table_of_a_net_whose_paths_disagree_is_that_of_the_first_and_says_so() -> None:
    """As ENet, which joins a padded convolution of 3x3 with a pooling of 2x2: half a pixel lies between them."""
    text = window("Convolution", "a", "data", "kernel_size: 3 pad: 1 stride: 2") + window(
        "Pooling", "b", "data", "kernel_size: 2 stride: 2", "pooling_param"
    )
    text += 'layer { name: "both" type: "Concat" bottom: "a" bottom: "b" top: "both" }'
    found = offsets.table(net(INPUT + text))
    assert {row.layer for row in found} <= {"a", "b"} and found
    (disagreement,) = found.disagreements
    assert "two paths from 'data' disagree: b > both (scale 1/2, shift -1/4) and a > both" in str(disagreement)
    with pytest.raises(OffsetError, match="disagree"):
        offsets.coord_map_between(net(INPUT + text), "both", "data")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # scale 2: stride 4 down, 2 up
        (
            window("Convolution", "c", "data", "kernel_size: 4 stride: 4")
            + window("Deconvolution", "d", "c", "kernel_size: 2 stride: 2")
            + cropped("d"),
            "has 2 pixels of 'data'",
        ),
        (
            window("Convolution", "c", "data", "kernel_size: 3") + cropped("c"),
            "offset is -1, negative.*pad of 'c' to 1",
        ),
        (
            window("Convolution", "c", "data", "kernel_size: 4 pad: 5") + cropped("c"),
            "offset is 7/2, not whole.*kernel_size of 'c'",
        ),
        (
            window("InnerProduct", "fc", "data", "num_output: 4", "inner_product_param") + cropped("fc"),
            "beyond layer 'fc'.*nothing can be aligned",
        ),
        (
            'layer { name: "other" type: "Input" top: "other" }' + cropped("other"),
            "no path joins them",
        ),
        (
            window("Convolution", "a", "data", "kernel_size: 3 pad: 3")
            + window("Convolution", "b", "data", "kernel_size: 3 pad: 4")
            + 'layer { name: "sum" type: "Eltwise" bottom: "a" bottom: "b" top: "sum" }'
            + cropped("sum"),
            r"two paths from 'data' disagree: (a|b).*shift (2|3).*and (b|a).*shift (3|2)",
        ),
        (
            window("Convolution", "c", "data", "axis: 0 kernel_size: 3 pad: 2")
            + window("Convolution", "d", "c", "kernel_size: 1")
            + cropped("d"),
            "does not share its axes: one map begins at axis 2, the next at axis 1",
        ),
        (
            window("Convolution", "c", "data", "kernel_size: 3 pad: 3") + cropped("c").replace("axis: 2", "axis: 3"),
            "crops from axis 3, and from axis 2 on its bottoms lie 2 apart .set axis: 2",
        ),
    ],
)
def test_what_cannot_be_aligned_is_refused_by_name(text: str, message: str) -> None:
    with pytest.raises(OffsetError, match=message):
        offsets.crops(net(INPUT + text))


def test_the_advice_makes_the_offset_whole() -> None:
    text = INPUT + window("Convolution", "c", "data", "kernel_size: 4 pad: 5") + cropped("c")
    with pytest.raises(OffsetError) as refused:
        offsets.crops(net(text))
    size = refused.value.mend.rpartition(" ")[2]
    better = net(text.replace("kernel_size: 4", f"kernel_size: {size}"))
    assert offsets.crops(better)[0].computed[0] >= 0


def test_a_misaligned_trunk_does_not_matter_to_what_is_cropped_behind_it() -> None:
    definition = net(
        INPUT
        + window("Convolution", "a", "data", "kernel_size: 3 pad: 3")
        + window("Convolution", "b", "data", "kernel_size: 3 pad: 3 dilation: 1")
        + window("Convolution", "shifted", "b", "kernel_size: 2")
        + 'layer { name: "sum" type: "Concat" bottom: "a" bottom: "shifted" top: "sum" }'
        + window("Convolution", "wide", "sum", "kernel_size: 5 pad: 4")
        + window("Convolution", "narrow", "sum", "kernel_size: 1")
    )
    assert offsets.crop_offset(definition, "wide", "narrow") == 2


def test_a_map_between_blobs_goes_both_ways() -> None:
    definition = net(INPUT + window("Pooling", "p", "data", "kernel_size: 3 stride: 2", "pooling_param"))
    there = offsets.coord_map_between(definition, "data", "p")
    back = offsets.coord_map_between(definition, "p", "data")
    assert (there.maps[0].scale, there.maps[0].shift) == (Fraction(1, 2), Fraction(-1, 2))
    assert there.maps[0].then(back.maps[0]) == (1, 0)
    assert exact(each.shift for each in back.maps) == "1"


def chain_with_skips(length: int) -> proto.NetParameter:
    lines, bottom = [INPUT], "data"
    for index in range(length // 4):
        skip = bottom
        for part, inside in (("a", "kernel_size: 3 pad: 2"), ("b", "kernel_size: 3 pad: 1")):
            name = f"c{index}{part}"
            lines.append(window("Convolution", name, bottom, inside))
            bottom = name
        lines.append(cropped(bottom, skip).replace('"crop"', f'"crop{index}"'))
        lines.append(
            f'layer {{ name: "s{index}" type: "Eltwise" bottom: "crop{index}" bottom: "{skip}" top: "s{index}" }}'
        )
        bottom = f"s{index}"
    return net("".join(lines))


def test_the_walk_stays_between_the_two_blobs(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = 0
    real = walk.map_of

    def counted(*arguments: object) -> object:
        nonlocal steps
        steps += 1
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(walk, "map_of", counted)
    found = offsets.crops(chain_with_skips(4000))
    assert {crop.computed for crop in found} == {(1,)}
    assert steps < 4 * len(found), "linear in layers: a few steps for each crop"


def test_sixty_stacked_diamonds_are_walked_once() -> None:
    lines, bottom = [INPUT], "data"
    for index in range(60):
        for side in "ab":
            lines.append(window("Convolution", f"{side}{index}", bottom, "kernel_size: 3 pad: 2"))
        lines.append(
            f'layer {{ name: "s{index}" type: "Eltwise" bottom: "a{index}" bottom: "b{index}" top: "s{index}" }}'
        )
        bottom = f"s{index}"
    assert offsets.crop_offset(net("".join(lines)), bottom, "data") == 60


HUGE = 2**31 - 1


@pytest.mark.parametrize("stride", [HUGE, 2**31, 2**32 - 1])
def test_a_padding_is_planned_for_few_sizes_or_refused(stride: int) -> None:
    """As many sizes as the strides multiply to would have to be tried: gigabytes of them."""
    definition = net(INPUT + window("Convolution", "c", "data", f"kernel_size: 1 stride: {stride}") + cropped("data"))
    with pytest.raises(NetError, match=r"too many sizes to try|stride, \d+ in all, is too large"):
        padding.plan(definition)


def test_a_crop_that_no_padding_can_align_is_refused_after_one_period(monkeypatch: pytest.MonkeyPatch) -> None:
    """A window of 2 moves by half a pixel, and a padding only by whole ones."""
    tried = []
    prove = padding.prove
    monkeypatch.setattr(padding, "prove", lambda *given: tried.append(given) or prove(*given))
    layers = window("Convolution", "c", "data", "kernel_size: 3 stride: 2 pad: 9")
    layers += window("Deconvolution", "up", "c", "kernel_size: 4 stride: 2")
    definition = net(INPUT + layers + cropped("up"))
    with pytest.raises(OffsetError, match="not whole"):
        padding.plan(definition)
    assert len(tried) < 5


def test_a_range_of_few_sizes_is_planned_whatever_the_strides() -> None:
    wide = window("Convolution", "c", "data", "kernel_size: 1 pad: 9") + cropped("c")
    wide += window("Pooling", "p", "crop", "kernel_size: 1 stride: 5000", "pooling_param")
    plan = padding.plan(net(INPUT + wide), (7, 7), (9, 12))
    assert (plan.pad, plan.period) == (0, 5000)


def test_an_offset_is_never_larger_than_caffes_integers() -> None:
    pad = "kernel_size: 1 pad: 1073741823"
    text = "".join(window("Convolution", b, a, pad) for a, b in pairwise(["data", "a", "b", "c", "d", "e"]))
    with pytest.raises(OffsetError, match=r"the offset is 5368709115 .Caffe's integers end at 2147483647"):
        offsets.correct_crops(net(INPUT + text + cropped("e")))


def test_a_pyramid_has_as_many_levels_as_a_blob_can_hold() -> None:
    definition = net(INPUT + window("SPP", "spp", "data", "pyramid_height: 4294967295", "spp_param"))
    with pytest.raises(NetError, match=r"layer 'spp' .*pyramid_height 4294967295"):
        infer(definition)
