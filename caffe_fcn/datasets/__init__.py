"""Data sets for segmentation, as LMDBs that Caffe trains on: build, check, measure, show and read them.

    from caffe_fcn import datasets

    datasets.folder.build("set", images="photos", labels="masks", classes=["background", "cat"])
    image, label = datasets.open("set")[0]          # C x H x W (blue first), 1 x H x W

How files become records, and how a build runs, is one object for every builder:

    options = datasets.ImportOptions(datasets.RecordFormat(size=(256, 256)), on_error="skip", workers=8)
    datasets.voc.build("set", "VOCdevkit", options=options)

A data set is a folder. ``train_images`` and ``train_labels`` (and ``val_...``) are LMDBs with the same keys;
``dataset.json`` describes them; ``mean.binaryproto`` is the mean image, where all images have the same size.
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
