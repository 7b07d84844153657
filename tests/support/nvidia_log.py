"""A log as NVIDIA's Caffe 0.17 writes it on two GPUs: 40 iterations, two tests, one snapshot.

The lines follow its solver.cpp, sgd_solver.cpp and parallel.cpp: speed and epochs before the loss, the settings of the
solver behind the rate, ranks in brackets, and lines of other threads in between.
"""

from __future__ import annotations

LOSSES = {0: 2.31, 20: 1.5, 40: 0.75}
ACCURACIES = {0: 0.1, 40: 0.875}
RATE = 0.01


def write(prefix: str = "") -> str:
    """The log; each line begins with ``prefix``."""
    lines = [*_head(), *_test(0), *_step(0), *_step(20), *_snapshot(40), *_step(40), *_test(40), *_foot()]
    return "".join(f"{prefix}{line}\n" for line in lines)


def _glog(place: str, message: str, thread: int = 31337) -> str:
    return f"I0310 08:12:41.001122 {thread:5} {place}] {message}"


def _head() -> list[str]:
    return [
        _glog("caffe.cpp:704", "This is NVCaffe 0.17.3 started at Tue Mar 10 08:12:40 2026"),
        _glog("caffe.cpp:216", "Using GPUs 0, 1"),
        _glog("solver.cpp:43", "Solver data type: FLOAT"),
        _glog("solver.cpp:48", "Initializing solver from parameters: "),
        "base_lr: 0.01",
        "display: 20",
        _glog("net.cpp:1166", "[0] Copying source layer conv1 Type:Convolution #blobs=2"),
        _glog("parallel.cpp:106", "[0 - 0] P2pSync adding callback"),
        _glog("parallel.cpp:59", "Starting Optimization"),
        _glog("solver.cpp:479", "Solving m2nist"),
        _glog("solver.cpp:480", "Learning Rate Policy: fixed"),
        _glog("data_reader.cpp:328", "Restarting data pre-fetching", 31341),
    ]


def _step(iteration: int) -> list[str]:
    loss = f"{LOSSES[iteration]:g}"
    pace = f"({25.4:g} iter/s, 0.787s/20 iter), {iteration / 10:g}/4ep" if iteration else "(0.21 s)"
    return [
        _glog("solver.cpp:352", f"Iteration {iteration} {pace}, loss = {loss}"),
        _glog("data_reader.cpp:320", "Restarting data pre-fetching", 31341),
        _glog("solver.cpp:371", f"    [0.0] Train net output #0: loss = {loss} (* 1 = {loss} loss)"),
        _glog("sgd_solver.cpp:180", f"Iteration {iteration}, lr = {RATE}, m = 0.9, lrm = 0.1, wd = 0.0005, gs = 1"),
    ]


def _test(iteration: int) -> list[str]:
    return [
        _glog("solver.cpp:546", f"Iteration {iteration}, Testing net (#0)"),
        _glog("data_reader.cpp:328", "Restarting data pre-fetching", 31342),
        _glog("solver.cpp:638", f"    Test net output #0: accuracy = {ACCURACIES[iteration]}"),
        _glog(
            "solver.cpp:638", f"    Test net output #1: loss = {LOSSES[iteration]:g} (* 1 = {LOSSES[iteration]:g} loss)"
        ),
        _glog("caffe.cpp:290", "[MultiGPU] Tests completed in 0.21s"),
    ]


def _snapshot(iteration: int) -> list[str]:
    stem = f"snapshot_iter_{iteration}"
    return [
        _glog("solver.cpp:671", f"Snapshotting to binary proto file {stem}.caffemodel"),
        _glog("sgd_solver.cpp:396", f"Snapshotting solver state to binary proto file {stem}.solverstate"),
    ]


def _foot() -> list[str]:
    return [
        _glog("caffe.cpp:312", "Solver performance on device 0: 25.4 * 32 = 812.8 img/sec (40 itr in 1.57 sec)"),
        _glog("caffe.cpp:320", "Optimization Done in 2s"),
    ]
