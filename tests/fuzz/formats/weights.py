"""Weights of every format, means and solver states: whatever is taken comes out with the same values."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import h5py
import numpy as np
import safetensors.numpy
from fuzz.containers import damaged_npy, damaged_zip, zip_of
from fuzz.formats.format import Files, Format, ValueChanged, either, one_of_its_files
from fuzz.formats.nets import MIXED, message_of
from fuzz.judges import binary_by_protobuf
from fuzz.mutations import NUMBERS, damaged, number_near
from fuzz.trees import change_json, change_message

from caffe_fcn import proto, surgery
from caffe_fcn.errors import WeightsError
from caffe_fcn.weights import means

Values = dict[str, np.ndarray]

SUFFIXES = (".caffemodel", ".caffemodel.h5", ".npz", ".safetensors")
_LAYERS = {
    "conv1": [(8, 3, 3, 3), (8,)],
    "bn1": [(8,), (8,), (1,)],
    "scale1": [(8,), (8,)],
    "fc": [(5, 12), (5,)],
    "upscore": [(4, 1, 8, 8)],
    "a/b": [()],
}


@cache
def arrays() -> Values:
    """Parameters as ``LAYER/INDEX``."""
    random = np.random.default_rng(0)
    return {
        f"{layer}/{index}": random.normal(size=shape).astype(np.float32)
        for layer, shapes in _LAYERS.items()
        for index, shape in enumerate(shapes)
    }


def _blob(values: np.ndarray, form: str) -> Any:
    blob = proto.BlobProto()
    if form == "old":
        shape = (1,) * (4 - values.ndim) + values.shape
        blob.num, blob.channels, blob.height, blob.width = shape
        blob.data.extend(values.ravel().tolist())
    else:
        blob.shape.dim.extend(values.shape)
        (blob.double_data if form == "double" else blob.data).extend(values.ravel().tolist())
    return blob


@cache
def _models() -> list[bytes]:
    """Caffemodels of V2 and V1, in single and double precision, with diffs."""
    current, double = message_of(MIXED), proto.NetParameter(name="double")
    old = proto.NetParameter(name="old")
    for name, values in arrays().items():
        layer_name, index = name.rsplit("/", 1)
        layer = next((each for each in current.layer if each.name == layer_name), None)
        (layer or current.layer.add(name=layer_name, type="Bias")).blobs.append(_blob(values, "new"))
        if index == "0":
            double.layer.add(name=layer_name, type="Convolution")
            old.layers.add(name=layer_name, type=proto.V1LayerParameter.CONVOLUTION)
        double.layer[-1].blobs.append(_blob(values, "double"))
        old.layers[-1].blobs.append(_blob(values, "old"))
    current.layer[1].blobs[0].diff.extend([0.5] * 216)
    return [bytes(net.SerializePartialToString(deterministic=True)) for net in (current, double, old)]


def _changed_model(random: Random, data: bytes) -> bytes:
    net = proto.NetParameter.FromString(data)
    layers = [layer for layer in (*net.layer, *net.layers) if layer.blobs]
    layer = random.choice(layers) if layers else None
    draw = random.random()
    if layer is None or draw < 0.2:
        change_message(random, net)
    elif draw < 0.4:
        layer.name = random.choice([*_LAYERS, "", "x/y", "\u00e9", "a" * 300])
    elif draw < 0.6:  # the same values in another shape
        blob = random.choice(layer.blobs)
        count = max(len(blob.data), len(blob.double_data))
        blob.shape.dim[:] = random.choice([[count], [1, count], [count, 1, 1], [1, 1, 1, count], [1] * 32 + [count]])
        for field in ("num", "channels", "height", "width"):
            blob.ClearField(field)
    elif draw < 0.8:
        blob = random.choice(layer.blobs)
        for values in (blob.data, blob.double_data):
            if values:
                values[random.randrange(len(values))] = random.choice(
                    [0.0, -0.0, 1e30, float("nan"), float("inf"), 2.5]
                )
    else:
        change_message(random, random.choice(layer.blobs))
    return bytes(net.SerializePartialToString(deterministic=True))


@cache
def _npz() -> list[bytes]:
    made = []
    for dtype in ("<f4", "<f8", "<f2"):
        members = [(f"{name}.npy", npy(values.astype(dtype))) for name, values in arrays().items()]
        made.append(zip_of(members, compress=dtype == "<f8"))
    return made


def npy(values: np.ndarray) -> bytes:
    """An .npy of an array."""
    out = io.BytesIO()
    np.save(out, values)
    return out.getvalue()


_NAMES = ["conv1/0.npy", "conv1/9.npy", "conv1/-1.npy", "x.npy", "/0.npy", "conv1/0", "fc/00.npy", "../x/0.npy",
          "a\x1b/0.npy", "conv1/0.npy/", "fc/" + "9" * 30 + ".npy", "\u00e9/0.npy", "x" * 300 + "/0.npy"]  # fmt: skip


@cache
def _safetensors() -> list[bytes]:
    made = [{name: values.astype(dtype) for name, values in arrays().items()} for dtype in (np.float32, np.float16)]
    return [safetensors.numpy.save(each, {"format": "np"}) for each in made]


def _changed_safetensors(random: Random, data: bytes) -> bytes:
    size = int.from_bytes(data[:8], "little")
    document = json.loads(data[8 : 8 + size])
    name = random.choice(sorted(document))
    draw = random.random()
    if draw < 0.4:
        document = change_json(random, document)
    elif draw < 0.6:
        document[random.choice(_NAMES).removesuffix(".npy")] = document.pop(name)
    elif draw < 0.8 and "dtype" in document[name]:
        document[name]["dtype"] = random.choice(["F16", "F32", "F64", "BF16", "I8", "BOOL", "F8_E4M3", "", "f32"])
    elif "shape" in document[name]:
        count = int(np.prod(document[name]["shape"]))
        document[name]["shape"] = random.choice(
            [[count], [1, count], [count, 1, 1], [0, 10**30], [1] * 40 + [count], [-1]]
        )
    header = json.dumps(document, separators=(",", ":")).encode()
    return len(header).to_bytes(8, "little") + header + data[8 + size :]


def hdf5_of(things: dict[str, Any]) -> bytes:
    """An HDF5 file of data sets, links and groups (None) by their paths."""
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        for path, thing in things.items():
            if thing is None:
                file.require_group(path)
            elif isinstance(thing, dict):
                file.create_dataset(path, **thing)
            else:
                file[path] = thing
    return out.getvalue()


@cache
def _hdf5() -> list[bytes]:
    plain = {f"data/{name}": values for name, values in arrays().items() if "a/b" not in name}
    return [
        hdf5_of(plain),
        hdf5_of({path: {"data": values, "chunks": True, "compression": "gzip"} for path, values in plain.items()}),
    ]


def _changed_hdf5(random: Random, data: bytes) -> bytes:
    """The same parameters with one of them of another kind."""
    things: dict[str, Any] = {f"data/{name}": values for name, values in arrays().items() if "a/b" not in name}
    name = random.choice(list(things))
    values = things[name]
    strange: list[Any] = [
        None, h5py.SoftLink("/data/fc/0"), h5py.SoftLink("/nowhere"), h5py.ExternalLink("other.h5", "/x"),
        h5py.SoftLink("/data"), h5py.HardLink(), values.astype(">f4"), values.astype("f8"), values.astype("f2"),
        values.astype("i4"), values > 0, np.array("text", "S4"), values.reshape(-1), values[None], values[:0],
        np.float32(2), h5py.Empty("f4"), np.array([(1, 2.0)], [("a", "i4"), ("b", "f4")]),
        {"shape": (10**9,), "dtype": "f4"}, {"shape": (10**6, 10**6), "dtype": "f4", "chunks": (100, 100)},
        {"shape": (2, 3), "dtype": h5py.string_dtype()}, {"shape": (4,), "dtype": "f4", "fillvalue": 3},
        {"data": values, "maxshape": (None,) * values.ndim, "chunks": True},
        {"data": values, "shuffle": True, "fletcher32": True, "chunks": True},
        {"shape": (1,) * 32, "dtype": "f4"}, {"data": values, "chunks": True, "compression": "lzf"},
    ]  # fmt: skip
    things[name] = random.choice(strange)
    if isinstance(things[name], h5py.HardLink):
        del things[name]
    if random.random() < 0.3:
        place = random.choice(
            ["data/conv1/2", "data/conv1/x", "data/new/0", "data/\u00e9/0", "other/0", "data/x", "data/n/1"]
        )
        things[place] = random.choice([values, None])
    return hdf5_of(things)


def _readable(weights: Any) -> Values:
    return {f"{layer}\0{index}": np.array(tensor.load()) for layer, index, tensor in weights}


def read(path: Path) -> Values:
    """All parameters of a weights file; a layer's name and the index apart by a zero."""
    with surgery.open_weights(path) as weights:
        return _readable(weights)


def equal(one: Values, other: Values) -> bool:
    """Whether two files hold the same parameters, NaN equal to NaN."""
    return one.keys() == other.keys() and all(
        one[name].shape == other[name].shape and np.array_equal(one[name], other[name], equal_nan=True) for name in one
    )


def _converts_alike(name: str) -> Callable[[Path, Path], None]:
    def round_trip(inputs: Path, outputs: Path) -> None:
        """In every format that takes them the values are the same, and we read what we wrote."""
        known = read(inputs / name)
        for suffix in SUFFIXES:
            target = outputs / f"out{suffix}"
            try:
                surgery.convert(inputs / name, target)
            except WeightsError:
                if any(outputs.iterdir()):
                    raise ValueChanged(f"a refused {suffix} stays: {sorted(outputs.iterdir())}") from None
                continue
            found = read(target)
            if not equal(known, found):
                raise ValueChanged(f"as {suffix}: {_first_difference(known, found)}")
            target.unlink()

    return round_trip


def _first_difference(one: Values, other: Values) -> str:
    for name in {**one, **other}:
        if name not in one or name not in other or not equal({name: one[name]}, {name: other[name]}):
            return f"{name!r}: {_shown(one.get(name))} became {_shown(other.get(name))}"
    return ""


def _shown(values: np.ndarray | None) -> str:
    return "nothing" if values is None else f"{values.dtype} {values.shape} {values.ravel()[:4]}"


def _protobuf_takes_it_too(inputs: Path, outputs: Path) -> None:
    """A caffemodel that we take is one for protobuf, with the same values in the same shapes."""
    ours = read(inputs / "w.caffemodel")
    net = binary_by_protobuf((inputs / "w.caffemodel").read_bytes(), proto.NetParameter)
    if net is None:
        raise ValueChanged("protobuf refuses it, and we take it")
    theirs = [
        np.array(blob.double_data or blob.data)
        for layer in (*net.layer, *net.layers)
        for blob in (layer.layer.blobs if hasattr(layer, "layer") and layer.HasField("layer") else layer.blobs)
    ]
    held = list(ours.values())
    if len(held) == len(theirs) and not all(
        np.array_equal(mine.ravel(), other, equal_nan=True) for mine, other in zip(held, theirs, strict=True)
    ):
        raise ValueChanged("protobuf reads other values")


def _safetensors_agrees(inputs: Path, outputs: Path) -> None:
    """What the safetensors library takes has the same values here."""
    ours = read(inputs / "w.safetensors")
    try:
        theirs = safetensors.numpy.load_file(inputs / "w.safetensors")
    except Exception:  # whatever another library says of a damaged file; we may be laxer or stricter
        return
    for name, values in theirs.items():
        layer, _, index = name.rpartition("/")
        mine = ours.get(f"{layer}\0{index}")
        if mine is not None and not np.array_equal(mine, values, equal_nan=True):
            raise ValueChanged(f"safetensors reads other values of {name!r}")


def _numpy_agrees(inputs: Path, outputs: Path) -> None:
    """What NumPy reads of an .npz has the same values here."""
    ours = read(inputs / "w.npz")
    try:
        with np.load(inputs / "w.npz", allow_pickle=False) as archive:
            theirs = {name: archive[name] for name in archive.files}
    except Exception:  # whatever another library says of a damaged file
        return
    for name, values in theirs.items():
        layer, _, index = name.rpartition("/")
        mine = ours.get(f"{layer}\0{index}")
        if mine is not None and not np.array_equal(mine, values, equal_nan=True):
            raise ValueChanged(f"NumPy reads other values of {name!r}")


def _weights_commands(name: str) -> tuple[str, ...]:
    return (
        f"weights info {{i}}/{name}",
        f"weights info {{i}}/{name} --json",
        f"weights info {{i}}/{name} --check",
        f"weights diff {{i}}/{name} {{i}}/sound.npz",
        *(f"weights convert {{i}}/{name} {{o}}/out{suffix}" for suffix in SUFFIXES),
        f"weights convert {{i}}/{name} {{o}}/out.npz --half",
        f"surgery transplant --weights {{i}}/{name} --to-net {{i}}/net.prototxt -o {{o}}/out.caffemodel",
        f"surgery channels --weights {{i}}/{name} --to grey -o {{o}}/out.caffemodel",
        f"surgery interp --weights {{i}}/{name} --to-net {{i}}/net.prototxt -o {{o}}/out.npz",
        f"surgery expand --weights {{i}}/{name} --to-net {{i}}/net.prototxt -o {{o}}/out.safetensors",
        f"surgery select --weights {{i}}/{name} --layer fc --classes 2,new --to-net {{i}}/net.prototxt -o {{o}}/o.npz",
        f"surgery fold --net {{i}}/net.prototxt --weights {{i}}/{name} --net-output {{o}}/n.prototxt -o {{o}}/w.npz",
        f"surgery fold-mean --net {{i}}/net.prototxt --weights {{i}}/{name} --mean 1,2,3 --net-output {{o}}/n.prototxt"
        " -o {o}/w.caffemodel",
    )


def _beside(name: str, contents: Callable[[], list[bytes]]) -> Callable[[], list[Files]]:
    return lambda: [{name: data, "net.prototxt": MIXED.encode(), "sound.npz": _npz()[0]} for data in contents()]


def _weights(
    name: str, file: str, contents: Callable[[], list[bytes]], change: Callable[[Random, bytes], bytes], *checks: Any
) -> Format:
    return Format(
        name,
        _beside(file, contents),
        one_of_its_files(either((3, change), (2, damaged)), file),
        lambda inputs: surgery.open_weights(inputs / file).file.close(),
        _weights_commands(file),
        (_converts_alike(file), *checks),
    )


# Means: a BlobProto, or an .npy.


@cache
def _mean() -> np.ndarray:
    return np.arange(3 * 4 * 5, dtype=np.float32).reshape(3, 4, 5)


@cache
def _binaryprotos() -> list[bytes]:
    blobs = [_blob(_mean(), "old"), _blob(_mean(), "new"), _blob(_mean()[None], "double")]
    return [bytes(blob.SerializePartialToString(deterministic=True)) for blob in blobs]


def _changed_blob(random: Random, data: bytes) -> bytes:
    blob = proto.BlobProto.FromString(data)
    if random.random() < 0.4:
        for values in (blob.data, blob.double_data):
            if values:
                values[random.randrange(len(values))] = random.choice([0.0, 1e30, math.nan, math.inf, -1.0, 1e300])
    elif random.random() < 0.5 and blob.HasField("num"):
        blob.num, blob.channels = blob.channels, blob.num
    else:
        change_message(random, blob)
    return bytes(blob.SerializePartialToString(deterministic=True))


def _mean_stays(name: str) -> Callable[[Path, Path], None]:
    def mean_round_trip(inputs: Path, outputs: Path) -> None:
        mean = means.read_mean(inputs / name)
        for suffix in means.SUFFIXES:
            means.write_mean(outputs / f"out{suffix}", mean)
            again = means.read_mean(outputs / f"out{suffix}")
            if not np.array_equal(mean.reshape(again.shape), again, equal_nan=True):
                raise ValueChanged(f"as {suffix} the mean is another")

    return mean_round_trip


def _mean_commands(name: str) -> tuple[str, ...]:
    return (
        f"weights mean {{i}}/{name}",
        f"weights mean {{i}}/{name} -o {{o}}/out.npy",
        f"weights mean {{i}}/{name} --size 6x7 -o {{o}}/out.binaryproto",
        f"weights convert {{i}}/{name} {{o}}/out.npy",
        f"weights convert {{i}}/{name} {{o}}/out.binaryproto",
        f"weights info {{i}}/{name}",
    )


# Solver states: what the torch engine resumes from.


@cache
def _states() -> list[bytes]:
    histories = [(8, 3, 3, 3), (8,)]
    state = proto.SolverState(iter=50, learned_net="snap_iter_50.caffemodel", current_step=1)
    for shape in histories:
        state.history.add(data=np.ones(shape).ravel(), shape={"dim": shape})
    binary = bytes(state.SerializePartialToString(deterministic=True))
    position = b'{"seed": 3, "passes": [50, 1]}'
    return [binary, binary + b"\xc2\x3e" + bytes([len(position)]) + position]


@cache
def _states_hdf5() -> list[bytes]:
    return [_state_hdf5({})]


def _state_hdf5(changed: dict[str, Any]) -> bytes:
    things: dict[str, Any] = {
        "iter": np.array([50], np.int32), "current_step": np.array([1], np.int32),
        "learned_net": np.array(b"snap.caffemodel.h5", "S20"),
        "history/0": np.ones((8, 3, 3, 3), np.float32), "history/1": np.ones(8, np.float32),
    }  # fmt: skip
    return hdf5_of({name: thing for name, thing in {**things, **changed}.items() if thing is not Ellipsis})


def _changed_state(random: Random, data: bytes) -> bytes:
    state = proto.SolverState.FromString(data)
    draw = random.random()
    if draw < 0.6:
        change_message(random, state)
    data = bytes(state.SerializePartialToString(deterministic=True))
    position = {"seed": 3, "passes": [50, 1]}
    if draw > 0.3:
        text = json.dumps(change_json(random, position)).encode()
        data = data.split(b"\xc2\x3e")[0] + b"\xc2\x3e" + bytes([len(text) % 128]) + text
    return data


def _changed_state_hdf5(random: Random, data: bytes) -> bytes:
    strange = [..., None, np.array([], np.int32), np.array([-1]), np.array([2**40]), np.float32(3), np.array([[1]]),
               np.array(["x"], "S1"), h5py.SoftLink("/nowhere"), h5py.Empty("f4"), number_near(random, 50) % 2**31,
               np.array([random.choice(NUMBERS[:12])])]  # fmt: skip
    names = ["iter", "current_step", "learned_net", "history/0", "history/1", "history/2"]
    plausible: dict[str, list[Any]] = {
        "iter": [np.array([random.randrange(2**31)]), np.array([7], np.int64)],
        "current_step": [np.array([random.randrange(2**31)], np.int32)],
        "learned_net": [np.array(b"x.caffemodel\0junk", "S20"), np.array(b"", "S1"), np.array(b"\xff", "S1")],
        "history/1": [np.full(9, math.nan, np.float32), np.ones((2, 3)), np.float32(1), np.ones((1,) * 9, np.float16)],
        "history/2": [np.zeros((2, 2), np.float32)],
    }
    if random.random() < 0.5:
        name = random.choice(sorted(plausible))
        return _state_hdf5({name: random.choice(plausible[name])})
    return _state_hdf5({random.choice(names): random.choice(strange)})


def _read_state(inputs: Path) -> Any:
    from caffe_fcn.engines import solver_state

    return solver_state.read(next(inputs.glob("s.solverstate*")))


def _state_stays(inputs: Path, outputs: Path) -> None:
    from caffe_fcn.engines import solver_state

    known = _read_state(inputs)
    for name in ("out.solverstate", "out.solverstate.h5"):
        solver_state.write(outputs / name, known)
        again = solver_state.read(outputs / name)
        for mine, other in zip(known.histories, again.histories, strict=True):
            if not np.array_equal(mine.load(), other.load(), equal_nan=True) or mine.shape != other.shape:
                raise ValueChanged(f"{name} has another history")
        if (known.iteration, known.weights, known.step, known.position) != (
            again.iteration, again.weights, again.step, again.position,
        ):  # fmt: skip
            raise ValueChanged(f"{name} has another place in the training: {again}")


def _state(name: str, file: str, contents: Callable[[], list[bytes]], change: Any) -> Format:
    return Format(
        name,
        lambda: [{file: data} for data in contents()],
        one_of_its_files(either((2, change), (1, damaged)), file),
        _read_state,
        (f"weights info {{i}}/{file}",),
        (_state_stays,),
    )


FORMATS = [
    _weights("caffemodel", "w.caffemodel", _models, _changed_model, _protobuf_takes_it_too),
    _weights("h5", "w.caffemodel.h5", _hdf5, _changed_hdf5),
    _weights("npz", "w.npz", _npz, lambda random, data: damaged_zip(random, data, _NAMES), _numpy_agrees),
    _weights("safetensors", "w.safetensors", _safetensors, _changed_safetensors, _safetensors_agrees),
    Format(
        "mean binaryproto",
        lambda: [{"m.binaryproto": data} for data in _binaryprotos()],
        one_of_its_files(either((2, _changed_blob), (1, damaged)), ".binaryproto"),
        lambda inputs: means.read_mean(inputs / "m.binaryproto"),
        _mean_commands("m.binaryproto"),
        (_mean_stays("m.binaryproto"),),
    ),
    Format(
        "mean npy",
        lambda: [{"m.npy": npy(_mean().astype(dtype))} for dtype in ("<f4", "<f8")],
        one_of_its_files(either((2, damaged_npy), (1, damaged)), ".npy"),
        lambda inputs: means.read_mean(inputs / "m.npy"),
        _mean_commands("m.npy"),
        (_mean_stays("m.npy"),),
    ),
    _state("solverstate", "s.solverstate", _states, _changed_state),
    _state("solverstate h5", "s.solverstate.h5", _states_hdf5, _changed_state_hdf5),
]
