"""The table of published models: its facts have their form, their source, and agree with what others state."""

from __future__ import annotations

import hashlib
from urllib.parse import urlsplit

import pytest

from caffe_fcn import models, netspec, surgery
from caffe_fcn.models import Model

# From the readme.md files of models/ in Caffe's repository
SHA1_OF_BVLC = {
    "bvlc_alexnet": "9116a64c0fbe4459d18f4bb6b56d647b63920377",
    "bvlc_googlenet": "405fc5acd08a3bb12de8ee5e23a96bec22f08204",
    "bvlc_reference_caffenet": "4c8d77deb20ea792f84eb5e6d0a11ca0a8660a46",
}
# Parameters of the published architectures, by their papers and deploy nets; a caffemodel has four bytes for each
PARAMETERS = {
    "alexnet": 60_965_224,
    "caffenet": 60_965_224,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "squeezenet-1.0": 1_248_424,
    "squeezenet-1.1": 1_235_496,
}


@pytest.mark.parametrize("model", models.MODELS.values(), ids=lambda model: model.name)
def test_every_fact_has_its_form_and_its_source(model: Model) -> None:
    facts = [*model.addresses, *model.checksums, model.size, model.license, model.deploy]
    assert all(fact is None or "https://" in fact.source for fact in facts)
    assert model.addresses
    assert all(urlsplit(fact.value).scheme in ("http", "https") for fact in model.addresses)
    for fact in model.checksums:
        assert len(bytes.fromhex(fact.value.digest)) == hashlib.new(fact.value.kind).digest_size


def test_names_and_files_are_unique() -> None:
    names = [name for model in models.MODELS.values() for name in {model.name, model.stem}]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", SHA1_OF_BVLC)
def test_checksums_of_caffe(name: str) -> None:
    found = models.find_model(name)
    assert found is not None
    assert SHA1_OF_BVLC[name] in {fact.value.digest for fact in found.checksums}


@pytest.mark.parametrize("name", PARAMETERS)
def test_sizes_are_those_of_the_parameters(name: str) -> None:
    size = models.MODELS[name].size
    assert size is not None
    assert 0 < size.value - 4 * PARAMETERS[name] < 20_000  # names, shapes and settings of the layers


def test_trained_fcns_are_nets_of_the_catalogue() -> None:
    trained = [model for model in models.MODELS.values() if model.net]
    assert len(trained) == 14
    for model in trained:
        assert netspec.build(model.net, "deploy").layer


def test_what_recipes_want_is_published() -> None:
    wanted = {recipe.published for recipe in surgery.RECIPES.values()} - {""}
    assert wanted
    assert all(models.find_model(name) for name in wanted)
