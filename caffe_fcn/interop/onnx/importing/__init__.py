"""ONNX models as Caffe nets.

    from caffe_fcn.interop.onnx.importing.importer import import_onnx

    import_onnx("detector.onnx", "detector", size=(640, 640), compose=True)

`source` reads the file, `importer` walks its nodes: what depends on constants alone is computed (`folding`), the rest
is converted by the function of its operator (`pointwise`, `windowed`, `shaping`, `dense`, `resizing`) into layers of a
`caffe_net`. `node_shapes` asks ONNX for the shape of each value, which the net must have, too. `verification` runs
both.
"""
