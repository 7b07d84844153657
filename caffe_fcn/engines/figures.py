"""The figures of a training as lines of JSON, one for each step, test, snapshot and score: ``snapshot/train.jsonl``.

    {"iteration": 20, "loss": 1.5, "lr": 0.001, "outputs": {"loss": 1.5}, "iterations_per_second": 10.05,
     "images_per_second": 40.2, "memory": 51200000, "gpu_memory": 1073741824}
    {"iteration": 20, "test_net": 0, "outputs": {"accuracy": 0.75, "iou": [0.5, 0.25]}, "memory": 51200000}
    {"iteration": 20, "snapshot": "snapshot/train_iter_20.solverstate"}
    {"iteration": 20, "scores": {"mean_iu": 0.5, "pixel_accuracy": 0.9, "mean_accuracy": 0.6,
     "frequency_weighted_iu": 0.8}, "accuracy": [1.0, null, 0.2], "iu": [0.8, null, 0.2]}

| field | of | what it is |
|---|---|---|
| ``iteration`` | all | the updates that came before; a step's loss is that of the next one |
| ``loss``, ``lr`` | step | as the solver displays them: the loss is a mean over ``average_loss`` iterations |
| ``outputs`` | step, test | the outputs of the net by name; a blob of several values is a list |
| ``iterations_per_second``, ``images_per_second`` | step | since the step before; null where it is not known |
| ``memory`` | step, test | the most bytes that the processes occupied so far; null where they have just ended |
| ``gpu_memory`` | step | the most bytes that tensors occupied on the GPU of the first process so far, on a GPU only |
| ``test_net`` | test | the number of the test net |
| ``snapshot`` | snapshot | the solver state, relative to the folder where the training runs |
| ``scores`` | score | four measures of the snapshot's weights, from 0 to 1, on the validation part of the data |
| ``accuracy``, ``iu`` | score | those of each class; null for a class that is in no label (and in no prediction) |

Numbers that JSON does not have are texts: "nan", "inf", "-inf".
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from caffe_fcn import strict_json
from caffe_fcn.engines.events import MEASURES, Outputs, Score, Step, Test
from caffe_fcn.strict_json import fail, list_of, map_of, object_of, optional, whole_number

LATEST = 10**18 - 1
"""The latest iteration that a file may have."""

SNAPSHOT = "snapshot"
"""The name of what makes a record that of a solver state."""

SPEED, GPU_MEMORY = "iterations_per_second", "gpu_memory"
"""The names of a step's speed and memory."""

SCORES = "scores"
"""The name of what makes a record that of a score."""

_OF_CLASSES = ("accuracy", "iu")


def to_record(event: Step | Test | Score) -> dict[str, Any]:
    """Return the figures of an event as JSON has them."""
    if isinstance(event, Score):
        return {
            "iteration": event.iteration,
            SCORES: dict(event.measures),
            **{name: list(getattr(event, name)) for name in _OF_CLASSES},
        }
    outputs = _group_outputs(event.outputs)
    if isinstance(event, Test):
        return {"iteration": event.iteration, "test_net": event.net, "outputs": outputs}
    lr = None if event.lr is None else _to_json(event.lr)
    record = {"iteration": event.iteration, "loss": _to_json(event.loss), "lr": lr, "outputs": outputs}
    if event.speed is not None:
        record[SPEED] = _to_json(event.speed)
    return record if event.gpu_memory is None else {**record, GPU_MEMORY: event.gpu_memory}


def from_record(record: Any) -> Step | Test | Score:
    """Return the event that has these figures; raises ValueError where they are not those of an event."""
    _check_record(record, "figures")
    if SCORES in record:
        measures = record[SCORES]
        return Score(
            record["iteration"],
            mean_iu=float(measures["mean_iu"]),
            pixel_accuracy=float(measures["pixel_accuracy"]),
            mean_accuracy=float(measures["mean_accuracy"]),
            frequency_weighted_iu=float(measures["frequency_weighted_iu"]),
            accuracy=tuple(record.get("accuracy", ())),
            iu=tuple(record.get("iu", ())),
        )
    outputs = tuple(_list_outputs(record.get("outputs", {})))
    if "loss" in record:
        lr, speed = (None if record.get(name) is None else float(record[name]) for name in ("lr", SPEED))
        return Step(record["iteration"], float(record["loss"]), lr, outputs, speed, record.get(GPU_MEMORY))
    return Test(record["iteration"], record.get("test_net", 0), outputs)


def read_snapshot(record: Any) -> str:
    """Return the solver state that a record stands for, "" for figures; raises ValueError where it is neither."""
    if isinstance(record, dict) and SNAPSHOT in record:
        _SNAPSHOT_RECORD(record, "snapshot")
        return str(record[SNAPSHOT])
    _check_record(record, "figures")
    return ""


def write_line(record: Mapping[str, Any]) -> bytes:
    """Return a record as a line of a file."""
    return json.dumps(record, ensure_ascii=True, allow_nan=False).encode() + b"\n"


def read_line(line: bytes) -> Any:
    """Return what a line holds; raises ValueError where it is not whole."""
    if not line.endswith(b"\n"):
        raise ValueError("the line has no end")
    return strict_json.parse(line)


def _to_json(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)


def _group_outputs(outputs: Outputs) -> dict[str, Any]:
    values: dict[str, list[float | str]] = {}
    for name, value in outputs:
        values.setdefault(name, []).append(_to_json(value))
    return {name: found[0] if len(found) == 1 else found for name, found in values.items()}


def _list_outputs(outputs: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, values in outputs.items():
        for value in values if isinstance(values, list) else [values]:
            yield name, float(value)


def _number(value: Any, path: str) -> None:
    if value not in ("nan", "inf", "-inf"):
        strict_json.number(value, path)


def _number_or_list(value: Any, path: str) -> None:
    (list_of(_number) if isinstance(value, list) else _number)(value, path)


_RECORD = object_of(
    {
        "iteration": whole_number(0, LATEST),
        "loss": _number,
        "lr": optional(_number),
        SPEED: optional(_number),
        GPU_MEMORY: optional(whole_number(0, LATEST)),
        "test_net": whole_number(0, LATEST),
        "outputs": map_of(strict_json.text, _number_or_list),
        SCORES: object_of(dict.fromkeys(MEASURES, strict_json.number), required=MEASURES),
        **dict.fromkeys(_OF_CLASSES, list_of(optional(strict_json.number))),
    },
    required=("iteration",),
)


_SNAPSHOT_RECORD = object_of(
    {"iteration": whole_number(0, LATEST), SNAPSHOT: strict_json.text}, required=("iteration",)
)


def _check_record(record: Any, path: str) -> None:
    _RECORD(record, path)
    if not any(name in record for name in ("loss", "outputs", SCORES)):
        fail(path, "an object with a loss, outputs or scores", record)
