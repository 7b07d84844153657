"""Time a whole process that writes a prototxt: ``net build voc-fcn8s --phase train``, and real pycaffe's NetSpec.

    python benchmarks/netspec.py [RUNS]

Both write the same net. The runs alternate, and the fastest of each counts. Prints the seconds and the ratio of ours
to pycaffe's. Needs real Caffe (scripts/install_caffe.sh).
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from caffe_fcn import proto
from caffe_fcn.engines.caffe import find
from caffe_fcn.net import diff

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "fcn8s.py"
PYCAFFE = """\
{definition}
with open(sys.argv[1], "w") as file:
    file.write(str(fcn8s("train")))
"""


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    script = folder / "fcn8s.py"
    definition = EXAMPLE.read_text().partition('if __name__ == "__main__":')[0]
    script.write_text(PYCAFFE.format(definition=definition.replace("from caffe_fcn", "from caffe")))
    theirs, ours = folder / "pycaffe.prototxt", folder / "ours.prototxt"
    pycaffe = [*find().python, str(script), str(theirs)]
    build = [sys.executable, "-m", "caffe_fcn", "net", "build", "voc-fcn8s", "--phase", "train", "-o", str(ours)]
    runs = [(seconds(pycaffe), seconds(build)) for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 7)]
    assert diff.differences(proto.read_net(ours), proto.read_net(theirs)) == []

their_time, our_time = (min(column) for column in zip(*runs, strict=True))
print(f"pycaffe {their_time:.3f} s, caffe-fcn {our_time:.3f} s, ratio {our_time / their_time:.2f}")
