"""Data, not code: read with importlib.resources as `cape.annotations`."""
