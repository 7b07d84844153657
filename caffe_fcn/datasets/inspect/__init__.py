"""An existing data set: checked, measured, summarized, shown."""
