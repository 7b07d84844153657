"""Images in tiles are transformed as whole images are, whatever the mean is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from google.protobuf import text_format

from caffe_fcn.errors import EngineError
from caffe_fcn.evaluation.net_inputs import ImageInput
from caffe_fcn.evaluation.preprocessing import Preprocessing
from caffe_fcn.evaluation.tiling import join_parts, run_tiles
from caffe_fcn.net.tiles import plan_tiles
from caffe_fcn.proto import NetParameter

NET = text_format.Parse(
    """
    layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 9 dim: 9 } } }
    layer { name: "score" type: "Convolution" bottom: "data" top: "score"
      convolution_param { num_output: 3 kernel_size: 1 } }
    """,
    NetParameter(),
)
SIZE, TILE = (11, 17), (4, 5)
MEANS = {
    "numbers": (3,),
    "of the image's size": (3, *SIZE),
    "of a tile's size": (3, *TILE),
    "of another size": (3, 2, 2),
}


@pytest.mark.parametrize("case", MEANS)
def test_the_mean_of_a_tile_is_that_of_its_image(case: str) -> None:
    """A net that gives its input back tells what it was given."""
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (3, *SIZE), np.uint8)
    preprocessing = Preprocessing(random.uniform(90, 130, MEANS[case]).astype(np.float32), scale=0.5, order="RGB")
    inputs = [ImageInput("data", 3, preprocessing)]
    plan = plan_tiles(NET, ["data"], "score", SIZE, TILE)

    def give_back(part: Mapping[str, np.ndarray], taken: Sequence[ImageInput]) -> np.ndarray:
        return taken[0].preprocessing(part["data"])

    found = join_parts(run_tiles(plan, give_back, {"data": image}, inputs), plan.size)
    np.testing.assert_array_equal(found, preprocessing(image))
    assert len(plan.tiles) == 12


def test_a_net_that_answers_less_than_its_layers_say_is_refused() -> None:
    plan = plan_tiles(NET, ["data"], "score", SIZE, TILE)
    parts = run_tiles(
        plan, lambda part, _: part["data"][:, :2], {"data": np.zeros((3, *SIZE))}, [ImageInput("data", 3)]
    )
    with pytest.raises(EngineError, match="answers 2x5 for a tile, where 4x5 follow from its layers"):
        list(parts)
