"""An existing data set: checked, summarized, looked at."""
