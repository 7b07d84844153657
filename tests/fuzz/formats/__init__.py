"""All formats that are read from outside: a row each."""

from __future__ import annotations

from fuzz.formats import archives, datasets, model_places, nets, pictures, weights

FORMATS = {
    form.name: form
    for form in (
        *(*nets.FORMATS, *weights.FORMATS, *datasets.FORMATS),
        *(*pictures.FORMATS, *archives.FORMATS, *model_places.FORMATS),
    )
}
