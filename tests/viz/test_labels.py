"""Overlays against their definition: 0.6 of the class's colour and 0.4 of the photo, rounded."""

from __future__ import annotations

import numpy as np

from caffe_fcn.viz.labels import overlay_colours


def test_every_colour_over_every_value_of_a_photo() -> None:
    colours = tuple((value, 0, 255 - value) for value in range(256))
    label, photo = np.mgrid[:256, :256].astype(np.uint8)
    found = overlay_colours(photo[None], label, colours)
    mixed = 0.6 * np.array(colours)[label] + 0.4 * photo[..., None]
    assert (np.abs(found - mixed) <= 0.4 + 1e-9).all()  # fifths: the nearest integer is 0, 0.2 or 0.4 away


def test_a_class_whose_colour_is_black_shows_the_photo() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (3, 300, 7), np.uint8)
    label = np.tile(
        np.arange(7, dtype=np.uint16) + 256 * 2, (300, 1)
    )  # classes beyond 255 have the first ones' colours
    found = overlay_colours(photo, label, ((0, 0, 0), (9, 9, 9)))
    assert (found[:, 0] == photo[::-1, :, 0].T).all()
    assert (found[:, 1] != photo[::-1, :, 1].T).any()
