"""Caffe nets as Python files that need torch alone.

    from caffe_fcn.interop.torch_code.exporting import write_torch

    write_torch("deploy.prototxt", "fcn8s.caffemodel", "fcn8s")

`exporting` walks the net and has each layer written by the function of its type (`pointwise`, `windowed`, `shaping`,
`dense`, `recurrent`, `forks`), `place` collects lines and arrays, `names` makes identifiers of names, `layout` breaks
long lines. `blocks` has the functions that go into the file where a net needs them: code that runs, and is copied as
text. `comparison` runs the result beside the torch engine.
"""
