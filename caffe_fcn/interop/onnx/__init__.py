"""Caffe nets as ONNX models.

    from caffe_fcn.interop.onnx.exporting import write_onnx

    write_onnx("deploy.prototxt", "fcn8s.caffemodel", "fcn8s.onnx")

`exporting` walks the net and has each layer converted by the function of its type (`pointwise`, `windowed`, `shaping`,
`dense`, `recurrent`, `forks`), `graph` collects nodes and constants, `model_file` writes them, `comparison` runs the
result beside the torch engine. `importing` is the way back.
"""
