"""The names of the files of a net folder and of a run, which DIGITS has, too.

A module of its own, so that who looks for files by their names imports no more than this.
"""

from __future__ import annotations

DEPLOY_FILE, TRAIN_VAL_FILE, SOLVER_FILE = "deploy.prototxt", "train_val.prototxt", "solver.prototxt"
SNAPSHOT_FOLDER = "snapshot"
"""The folder of a run that has its snapshots."""
