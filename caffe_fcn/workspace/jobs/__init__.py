"""Jobs: commands of ours that the server runs, one after another or side by side, and that outlive it."""
