"""``caffe-fcn models``: published weights by name, and weights of one's own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from caffe_fcn import models as library
from caffe_fcn.cli.commands import Group
from caffe_fcn.cli.model_names import fetch_model
from caffe_fcn.cli.params import json_option
from caffe_fcn.cli.printing import echo
from caffe_fcn.cli.tables import print_table
from caffe_fcn.errors import FileError

_UNKNOWN = "unknown"


@click.group(cls=Group)
def models() -> None:
    """Published weights by name, kept once for all projects.

    A command that takes a weights file also takes a name from 'models list', and downloads that model on first use.
    They are kept in ~/.cache/caffe-fcn/models, or in the folder that CAFFE_FCN_MODELS names. CAFFE_FCN_MODELS_URL is
    the address of a mirror (http://, https:// or file://), or of several, separated by spaces.
    """


@models.command("list")
@json_option
def show_list(as_json: bool) -> None:
    """List the published models and one's own: what they are, size, licence, and whether they are kept here.

    The JSON has every fact with the source that states it: addresses, checksums, size, licence, deploy net.
    """
    kept = {each.name: each for each in library.list_kept()}
    if as_json:
        documents = [_describe_model(model, kept.get(name)) for name, model in library.MODELS.items()]
        documents += [_describe_own(each) for name, each in kept.items() if name not in library.MODELS]
        echo(json.dumps(documents, indent=1))
        return
    rows = [
        (name, model.title, _format_size(model.size), _format_license(model), _list_kinds(model), _mark(name, kept))
        for name, model in library.MODELS.items()
    ]
    rows += [
        (name, "added by you", f"{each.record.size / 1e6:.0f} MB", "", "SHA-256", "here")
        for name, each in kept.items()
        if name not in library.MODELS
    ]
    print_table(("model", "what it is", "size", "licence", "checksum", ""), rows, right=(2,))


@models.command()
@click.argument("name", metavar="NAME")
@click.option("--from", "mirror", default="", metavar="URL", help="A mirror to ask in place of the published address.")
def get(name: str, mirror: str) -> None:
    """Download the model NAME, unless it is here, check it, and print its path."""
    from caffe_fcn.cli.next_steps import follow_model

    kept = fetch_model(name, mirror, again=True)
    echo(kept.path)
    follow_model(kept.name)


@models.command()
@click.argument("file", metavar="FILE")
@click.option("--name", default="", metavar="NAME", help="Its name (default: that of FILE, without suffix).")
def add(file: str, name: str) -> None:
    """Keep a copy of the weights FILE under a name, and print its path.

    A FILE with the name of a published model is checked against the published checksum, and kept as that model.
    """
    kept = library.add(file, name)
    echo(f"kept as {kept.name}", err=True)
    echo(kept.path)


@models.command()
@click.argument("name", metavar="NAME")
def remove(name: str) -> None:
    """Remove the file of the model NAME that is kept here.

    Where its publisher states no checksum, the next download must be the same file as the first.
    """
    kept = library.remove(name)
    echo(f"removed {kept.path}", err=True)


@models.command()
@click.argument("name", metavar="NAME")
def path(name: str) -> None:
    """Print the path of the model NAME that is kept here; nothing is downloaded."""
    model = library.find_model(name)
    kept = library.find_kept(model.name if model else name)
    if kept is None:
        mend = f"caffe-fcn models get {name}" if model else library.suggest_name(name) or "see 'caffe-fcn models list'"
        raise FileError(name, "is not here yet" if model else "is not a model", mend)
    echo(kept.path)


def _describe_model(model: library.Model, kept: library.Kept | None) -> dict[str, Any]:
    return {
        "name": model.name,
        "title": model.title,
        "file": model.file,
        "addresses": [_describe_fact(each) for each in model.addresses],
        "checksums": [
            {"kind": each.value.kind, "digest": each.value.digest, "source": each.source} for each in model.checksums
        ],
        "size": _describe_fact(model.size),
        "license": _describe_fact(model.license),
        "deploy": _describe_fact(model.deploy),
        "net": model.net or None,
        "path": str(kept.path) if kept else None,
        "sha256": kept.record.sha256 if kept else None,
    }


def _describe_fact(fact: library.Fact[Any] | None) -> dict[str, Any]:
    return {"value": fact.value, "source": fact.source} if fact else {"value": _UNKNOWN, "source": None}


def _describe_own(kept: library.Kept) -> dict[str, Any]:
    record = kept.record
    return {
        "name": kept.name,
        "title": "added by you",
        "file": kept.path.name,
        "addresses": [{"value": record.origin, "source": None}],
        "checksums": [{"kind": "sha256", "digest": record.sha256, "source": None}],
        "size": {"value": record.size, "source": None},
        "license": _describe_fact(None),
        "deploy": _describe_fact(None),
        "net": None,
        "path": str(kept.path),
        "sha256": record.sha256,
    }


def _format_size(size: library.Fact[int] | None) -> str:
    return f"{size.value / 1e6:.0f} MB" if size else _UNKNOWN


def _format_license(model: library.Model) -> str:
    return model.license.value if model.license else _UNKNOWN


def _list_kinds(model: library.Model) -> str:
    """The kinds of the published checksums."""
    return ", ".join(str(fact.value).split()[0] for fact in model.checksums) or _UNKNOWN


def _mark(name: str, kept: Mapping[str, library.Kept]) -> str:
    return "here" if name in kept else ""
