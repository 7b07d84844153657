"""Export a net of text with random parameters as a Python file, and compare its module with the torch engine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch
from drawn_weights import assert_close, draw_inputs, draw_weights

from caffe_fcn.interop.torch_code.comparison import load_module, run_module
from caffe_fcn.interop.torch_code.exporting import TorchModel, write_torch


class Exported:
    """A net, random weights of it, and its module in ``folder``."""

    def __init__(self, text: str, folder: Path, **options: object) -> None:
        self.net, self.weights = draw_weights(text, folder)
        self.made: TorchModel = write_torch(folder / "deploy.prototxt", self.weights, folder / "made", **options)

    @property
    def code(self) -> str:
        """The text of the Python file."""
        return self.made.files[0].read_text()

    def assert_equal(self) -> None:
        """Both give the same to 1e-5 of the largest value."""
        given = draw_inputs(self.net)
        assert_close(run_module(self.made, given), self.net.forward(**given))

    def assert_exported(self) -> None:
        """`torch.export` traces the module, and its program gives the same to 1e-5."""
        given = draw_inputs(self.net)
        images = tuple(torch.from_numpy(given[name]) for name in self.made.inputs)
        found = torch.export.export(load_module(self.made.files[0]), images).module()(*images)
        found = found if isinstance(found, dict) else {next(iter(self.made.outputs)): found}
        assert_close({name: values.detach().numpy() for name, values in found.items()}, self.net.forward(**given))

    def assert_style(self) -> None:
        """The file is as `ruff format` writes it, and `ruff check` finds nothing."""
        root = Path(__file__).parents[2]
        for command in (["format", "--check", "--diff"], ["check"]):
            done = subprocess.run(
                ["ruff", *command, "--no-cache", "--config", root / "pyproject.toml", self.made.files[0]],
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, done.stdout + done.stderr


def run_alone(folder: Path, code: str) -> str:
    """Run code in a Python of its own, in which `caffe_fcn` cannot be imported; returns what it prints."""
    prelude = "import sys; sys.modules['caffe_fcn'] = None\n"
    command = [sys.executable, "-B", "-P", "-c", f"{prelude}sys.path.insert(0, '.')\n{code}"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout
