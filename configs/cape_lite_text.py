"""The small model with names alone, to compare `cape_lite` with. Any split by `--split`."""

_base_ = ["_base_/lite.py"]
model = dict(support=None, matching=dict(prior=None, trust=1.0))
