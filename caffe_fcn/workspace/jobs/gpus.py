"""The GPUs of this machine, as NVIDIA's driver lists them."""

from __future__ import annotations

import os
import shutil
import subprocess


def find_gpus() -> dict[int, str]:
    """Return the numbers of the GPUs that commands can take, and their names; {} where there are none.

    The numbers are those that ``--gpu`` takes: where CUDA_VISIBLE_DEVICES chooses, they count what it names.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    program = shutil.which("nvidia-smi")
    if program is None or (visible is not None and visible.strip() in ("", "-1")):
        return {}
    command = [program, "--query-gpu=name", "--format=csv,noheader"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    names = [line.strip() for line in told.stdout.splitlines() if line.strip()] if told.returncode == 0 else []
    if visible is None:
        return dict(enumerate(names))
    chosen = [each.strip() for each in visible.split(",")]
    return {
        index: names[int(each)] if each.isdigit() and int(each) < len(names) else each
        for index, each in enumerate(chosen)
    }
