"""SemGCN, a quarter as wide as the published one, with a small graph loss-net on `pose3d_mini`."""

_base_ = ["_base_/lift_mini.py"]
model = dict(lifter=dict(_delete_=True, type="SemGCN", width=64))
