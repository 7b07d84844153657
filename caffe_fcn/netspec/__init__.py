"""Nets as Python: pycaffe's NetSpec, and the catalogue of the FCN family, which is written with it.

    net = netspec.build("voc-fcn8s", "deploy")        # a NetParameter; str(net) is the prototxt
    netspec.write("voc-fcn8s", "nets/fcn8s")          # train, val, deploy, solver.prototxt and model.json

The modules, in the order in which a net comes about:

- `spec`, `assign`: `NetSpec`, ``layers`` (L), ``params`` (P)
- `blocks`, `backbones`, `heads`, `data`: a few layers; a classifier's layers; scores, skips and loss; data layers,
  and `augmentation`, the layer after them
- `fcn`, `small`: whole nets, put together from these
- `unet`, `dilation`, `deeplab`, `pspnet`, `icnet`, `segnet`, `enet`, `edges`: the nets of other papers, one module each
- `design`, `catalogue`, `solver_settings`: what a net is made of, as one row of a table
- `optimizers`, `learning_rates`, `solver_lengths`, `solver_fitting`: its solver, fitted to data set and options
- `options`, `prototxts`, `model`, `net_folder`: from a name and options to the prototxts, and what describes them
- `losses`, `class_weights`: the loss, and the matrix that weighs its classes
- `convolutionize`, `from_classifier`: nets from the prototxt of a classifier
- `to_bvlc`: a net of a fork in what BVLC's Caffe has, weights along
"""

from caffe_fcn.netspec.catalogue import catalogue
from caffe_fcn.netspec.convolutionize import convolutionize
from caffe_fcn.netspec.from_classifier.conversion import from_classifier
from caffe_fcn.netspec.model import describe_model
from caffe_fcn.netspec.net_folder import write
from caffe_fcn.netspec.prototxts import build, explain_solver, files, solver, weigh_classes
from caffe_fcn.netspec.spec import Function, NetSpec, Top, layers, params, to_proto
from caffe_fcn.netspec.to_bvlc import Converted, to_bvlc

__all__ = [
    "Converted",
    "Function",
    "NetSpec",
    "Top",
    "build",
    "catalogue",
    "convolutionize",
    "describe_model",
    "explain_solver",
    "files",
    "from_classifier",
    "layers",
    "params",
    "solver",
    "to_bvlc",
    "to_proto",
    "weigh_classes",
    "write",
]
