"""Keypoint names alone: CapeX on Swin-V2 Small and GTE. Any split by `--split`."""

_base_ = ["_base_/mp100.py", "_base_/swinv2_small_gte.py", "_base_/schedule_200.py", "_base_/runtime.py"]
model = dict(support=None)
