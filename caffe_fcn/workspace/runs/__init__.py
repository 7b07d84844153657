"""Trainings as the workspace shows them: what their folders hold, read as it grows."""
