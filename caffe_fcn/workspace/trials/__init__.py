"""Trials: a model that was run on some images, or scored on a data set, and what came of it."""
