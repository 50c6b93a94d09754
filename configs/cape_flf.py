"""Feature-level fusion (FLF): the paper's model, any split by `--split`; the five leaves fix theirs."""

_base_ = ["_base_/mp100.py", "_base_/swinv2_small_gte.py", "_base_/schedule_200.py", "_base_/runtime.py"]
