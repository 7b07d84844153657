"""ONNX models as Caffe nets.

    from caffe_fcn.interop.onnx.importing.importer import import_onnx

    import_onnx("detector.onnx", "detector", size=(640, 640), compose=True)

`onnx_file` opens the file, whose large tensors stay where they are, and `source` checks it. `importer` walks the nodes:
what depends on constants alone is computed (`folding`), the rest is converted by the function of its operator
(`pointwise`, `windowed`, `pooling`, `resizing`, `shaping`, `dense`, `recurrent`) into layers of a `caffe_net`, with
`parameters` that are read when they are written. `node_shapes` asks ONNX for the shape of each value, which the net
must have, too. `verification` runs both.
"""
