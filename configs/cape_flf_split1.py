"""Feature-level fusion (FLF) on MP-100's split 1: the paper's model, described in `_base_/swinv2_small_gte.py`."""

_base_ = ["_base_/mp100.py", "_base_/swinv2_small_gte.py", "_base_/schedule_200.py", "_base_/runtime.py"]
split = 1
