"""Runs a net forward inside pycaffe, for a parent in another Python.

This file is a program for whatever Python an old Caffe has, 2.7 and numpy 1.7 included: it imports nothing
of this package and uses no newer syntax. Messages go both ways over a pipe; each is a line of JSON, then
the arrays that it announces as raw float32, in its order:

    parent  {"net", "weights", "stages", "gpu"}            worker  {"inputs", "outputs", "blobs"}
    parent  {"arrays": [[name, shape], ...], "wanted"}     worker  {"arrays": [[name, shape], ...]}

A worker that fails answers {"error"}, or dies in one of Caffe's checks; the log on stderr says which.
"""

# mypy: ignore-errors

import json
import os
import sys


def main():
    del sys.path[0]  # this folder, whose modules are not for this Python
    source = os.fdopen(os.dup(0), "rb")
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what Python layers print must not end up between messages
    try:
        serve(source, sink)
    except Exception as error:
        send(sink, {"error": type(error).__name__ + ": " + str(error)})
        raise


def serve(source, sink):
    import caffe
    import numpy

    start = json.loads(source.readline().decode("utf-8"))
    if start["gpu"] is None:
        caffe.set_mode_cpu()
    else:
        caffe.set_device(start["gpu"])
        caffe.set_mode_gpu()
    net = load(caffe, start)
    inputs = {name: list(net.blobs[name].data.shape) for name in net.inputs}
    send(sink, {"inputs": inputs, "outputs": list(net.outputs), "blobs": list(net.blobs)})

    while True:
        line = source.readline()
        if not line:
            return
        request = json.loads(line.decode("utf-8"))
        for name, shape in request["arrays"]:
            net.blobs[name].reshape(*shape)
            count = int(numpy.prod(shape))
            values = numpy.frombuffer(source.read(4 * count), dtype=numpy.float32)
            net.blobs[name].data[...] = values.reshape(shape)
        net.forward()
        arrays = [(name, net.blobs[name].data) for name in request["wanted"]]
        send(sink, {"arrays": [[name, list(data.shape)] for name, data in arrays]}, [data for _, data in arrays])


def load(caffe, start):
    """The net in its TEST phase. Caffe before 1.0 has no stages, and takes the weights by position."""
    net, weights = str(start["net"]), str(start["weights"] or "")
    try:
        options = {"weights": weights} if weights else {}
        return caffe.Net(net, caffe.TEST, stages=[str(stage) for stage in start["stages"]], **options)
    except TypeError:
        return caffe.Net(net, weights, caffe.TEST) if weights else caffe.Net(net, caffe.TEST)


def send(sink, message, arrays=()):
    sink.write((json.dumps(message) + "\n").encode("utf-8"))
    for array in arrays:
        sink.write(array.tobytes() if hasattr(array, "tobytes") else array.tostring())
    sink.flush()


if __name__ == "__main__":
    main()
