"""``caffe-fcn doctor``: what is installed, and how to install what is not."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from importlib import metadata
from typing import Any

import click

from caffe_fcn.cli.commands import Command
from caffe_fcn.cli.naming import replace_parameters
from caffe_fcn.cli.params import caffe_option, json_option
from caffe_fcn.cli.printing import echo
from caffe_fcn.engines import caffe as engine
from caffe_fcn.engines.caffe.python_path import LAYER_FOLDERS
from caffe_fcn.errors import EngineError
from caffe_fcn.models import cache_folder, list_kept

_PACKAGE = "caffe-fcn"


@click.command(cls=Command)
@caffe_option
@json_option
def doctor(caffe: str | None, as_json: bool) -> None:
    """Show what is installed: Caffe (path, version, GPU), pycaffe, torch, required and optional packages, models.

    PYTHONPATH is what caffe itself needs for nets with Python layers; 'caffe-fcn train' sets it.
    """
    suggestions: list[str] = []
    report: dict[str, Any] = {
        "caffe-fcn": _find_version(_PACKAGE),
        "python": platform.python_version(),
        "gpus": _find_gpus(),
        "caffe": _find_caffe(caffe, suggestions),
        "python_path": [str(folder) for folder in LAYER_FOLDERS],
        **_find_packages(suggestions),
        "models": {"folder": str(cache_folder()), "kept": [kept.name for kept in list_kept()]},
        "suggestions": suggestions,
    }
    if report["gpus"] and report["caffe"] and report["caffe"]["devices"] == "CPU only":
        suggestions.append("this Caffe does not use the GPU: Dockerfile.cuda has one that drives GPUs up to Turing")
    if as_json:
        echo(json.dumps(report, indent=2))
        return
    for name, text in _format_report(report):
        echo(f"{name:12}  {text}")


def _format_report(report: dict[str, Any]) -> list[tuple[str, str]]:
    found = report["caffe"]
    lines = [
        ("caffe-fcn", report["caffe-fcn"] or "not installed, running from a checkout"),
        ("python", report["python"]),
        ("GPU", ", ".join(report["gpus"]) or "none seen"),
        ("Caffe", f"{found['version']}, {found['devices']}: {found['path']} ({found['found']})" if found else "none"),
        ("pycaffe", " ".join(found["pycaffe"]) if found and found["pycaffe"] else "none"),
        ("PYTHONPATH", f"{os.pathsep.join(report['python_path'])}, for a caffe that is run without caffe-fcn"),
    ]
    lines += [(name, version or "not installed") for name, version in report["required"].items()]
    for extra, parts in report["extras"].items():
        lines += [(name, f"{version or 'not installed'} (extra {extra!r})") for name, version in parts.items()]
    kept, folder = report["models"]["kept"], report["models"]["folder"]
    lines.append(("models", f"{', '.join(kept)} (in {folder})" if kept else f"none kept in {folder}"))
    return lines + [("suggestion", text) for text in report["suggestions"]]


def _find_caffe(named: str | None, suggestions: list[str]) -> dict[str, Any] | None:
    try:
        found = engine.find(named)
    except EngineError as error:
        suggestions.append(_name_options(error))
        return None
    about = {
        "path": str(found.binary),
        "version": found.version,
        "found": _name_options(found.found),
        "devices": found.devices,
    }
    try:
        return {**about, "pycaffe": list(found.python)}
    except EngineError as error:
        suggestions.append(_name_options(error))
        return {**about, "pycaffe": None}


def _name_options(text: object) -> str:
    """Return the library's words with this command's options in place of parameters."""
    return replace_parameters(str(text), doctor.params)


def _find_packages(suggestions: list[str]) -> dict[str, Any]:
    """Return the versions of what this package requires and of its extras, as its own metadata list them."""
    required: dict[str, str | None] = {}
    extras: dict[str, dict[str, str | None]] = {}
    for requirement in _requirements():
        name = re.match(r"[\w.-]+", requirement)
        extra = re.search(r"extra == ['\"](\w+)['\"]", requirement)
        if name and not extra:
            required[name[0]] = _find_version(name[0])
        elif name and extra and name[0] != _PACKAGE and extra[1] != "test":
            extras.setdefault(extra[1], {})[name[0]] = _find_version(name[0])
    for extra_name, parts in extras.items():
        if not all(parts.values()):
            suggestions.append(f"for the extra {extra_name!r}: pip install 'caffe-fcn[{extra_name}]'")
    return {"required": required, "extras": extras}


def _requirements() -> list[str]:
    try:
        return metadata.requires(_PACKAGE) or []
    except metadata.PackageNotFoundError:
        return []


def _find_version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _find_gpus() -> list[str]:
    """Return the names of NVIDIA's GPUs, from their driver."""
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.splitlines() if done.returncode == 0 else []
