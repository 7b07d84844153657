"""Programs and devices that take Caffe's nets, and what they refuse.

    target = find_target("ascend")
    for misfit in find_misfits(target, infer(net)):
        print(misfit.node, misfit.what)         # layer 'conv1_1' (Convolution) pads by 100 ...

Each target is a row of ``targets.tsv`` with a table of its own: the layer types that it takes, the bounds of their
figures, and what happens beyond a bound. Every row names its public source, which ``sources.tsv`` has. What no public
source says is in no table.

- `table`: the rows, `find_target`
- `figures`: what a row may bound, such as a kernel's sides
- `misfits`: what in a net does not fit a target
"""
