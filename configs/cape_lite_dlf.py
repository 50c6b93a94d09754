"""The small model with decision-level fusion, to compare `cape_lite` with. Any split by `--split`."""

_base_ = ["_base_/lite.py"]
model = dict(decision=dict(type="Decision", rule="gate"))
