"""torchvision's nets as Caffe nets.

    from caffe_fcn.interop.torchvision.importing import import_torch

    import_torch("vgg16-397923af.pth", "vgg16", "nets/vgg16")

- `state_dict`: reads a file of weights, and never runs what is in it
- `building`: torch's modules as layers of Caffe's, each with its parameters
- `classifiers`, `residual`: the nets, module by module
- `archs`: the table of their names
- `importing`: writes the net folder
"""
