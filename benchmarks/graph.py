"""Time shapes and offsets of large nets: linear in the number of layers, and each diamond is walked once.

    python benchmarks/graph.py

Prints the time per layer at 1,000 and at 10,000 layers and their ratio (1 is linear); each is the least of three runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from caffe_fcn import offsets, proto
from caffe_fcn.net import shapes

INPUT = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 1 dim: 64 dim: 64 } } }\n'


def convolution(name: str, bottom: str, pad: int) -> str:
    inside = f"convolution_param {{ num_output: 1 kernel_size: 3 pad: {pad} }}"
    return f'layer {{ name: "{name}" type: "Convolution" bottom: "{bottom}" top: "{name}" {inside} }}\n'


def eltwise(name: str, a: str, b: str) -> str:
    return f'layer {{ name: "{name}" type: "Eltwise" bottom: "{a}" bottom: "{b}" top: "{name}" }}\n'


def chain_with_skips(layers: int) -> proto.NetParameter:
    lines, bottom = [INPUT], "data"
    for index in range(layers // 4):
        skip = bottom
        lines += [convolution(f"a{index}", skip, 2), convolution(f"b{index}", f"a{index}", 1)]
        lines.append(
            f'layer {{ name: "c{index}" type: "Crop" bottom: "b{index}" bottom: "{skip}" top: "c{index}" '
            "crop_param { axis: 2 offset: 1 } }\n"
        )
        bottom = f"s{index}"
        lines.append(eltwise(bottom, f"c{index}", skip))
    return parse_net(lines)


def diamonds(count: int) -> proto.NetParameter:
    lines, bottom = [INPUT], "data"
    for index in range(count):
        lines += [convolution(f"a{index}", bottom, 2), convolution(f"b{index}", bottom, 2)]
        bottom = f"s{index}"
        lines.append(eltwise(bottom, f"a{index}", f"b{index}"))
    return parse_net(lines)


def parse_net(lines: list[str]) -> proto.NetParameter:
    net = proto.NetParameter()
    proto.parse("".join(lines), net)
    return net


def seconds(run: Callable[[], object]) -> float:
    def once() -> float:
        start = time.perf_counter()
        run()
        return time.perf_counter() - start

    return min(once() for _ in range(3))


for what, function in (("shapes", shapes.infer), ("offsets", offsets.crops)):
    each = {}
    for layers in (1_000, 10_000):
        net = chain_with_skips(layers)
        each[layers] = seconds(lambda net=net, function=function: function(net)) / layers
        print(f"{what}: {layers} layers, {each[layers] * 1e6:.1f} us a layer")
    print(f"{what}: ratio {each[10_000] / each[1_000]:.2f}")
stacked = diamonds(60)
print(f"60 diamonds: shapes {seconds(lambda: shapes.infer(stacked)) * 1e3:.1f} ms", end=", ")
print(f"offset {seconds(lambda: offsets.crop_offset(stacked, 's59', 'data')) * 1e3:.1f} ms")
