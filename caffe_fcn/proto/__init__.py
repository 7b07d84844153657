"""Caffe's messages, and files of them: nets and solvers as text or binary.

    net = read_net("train_val.prototxt")     # a NetParameter
    net.layer[0].name
    write(net, "copy.prototxt")

Reading looks at the content, not at the file's name: text and binary both work everywhere. The weights of a binary
net (a ``.caffemodel`` is one) are skipped, not loaded. Old formats are upgraded on the way, as Caffe does.

Each name is imported from its module when it is first used: importing protobuf takes longer than looking at most files.
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
