"""MixSTE, 243 frames, without a loss-net, the baseline, on Human3.6M (Table 1)."""

_base_ = ["_base_/seal_mixste.py"]
model = dict(critic=None)
