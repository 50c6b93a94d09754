"""Decision-level fusion (DLF): two branches and a learned weight for each keypoint; any split by `--split`.

`decision=dict(rule="mean")` is what the paper's parameter count has, `decoders="shared"` what its text describes.
"""

_base_ = ["_base_/mp100.py", "_base_/swinv2_small_gte.py", "_base_/schedule_200.py", "_base_/runtime.py"]
model = dict(decision=dict(type="Decision", rule="gate"), consistency="both", consistency_weight=1.0)
