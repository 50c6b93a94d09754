"""Decision-level fusion (DLF) on MP-100's split 1: the paper's model, described in `cape_dlf.py`."""

_base_ = "cape_dlf.py"
split = 1
