"""The small model with support pictures alone, to compare `cape_lite` with. Any split by `--split`."""

_base_ = ["_base_/lite.py"]
model = dict(text=None)
