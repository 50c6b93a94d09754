"""Feature-level fusion (FLF) on MP-100's split 5: the paper's model, described in `_base_/swinv2_small_gte.py`."""

_base_ = "cape_flf.py"
split = 5
