"""SimpleBaseline with a small graph loss-net on `pose3d_mini`: for two cores, about so many steps as its frames allow."""

_base_ = ["_base_/lift_mini.py"]
model = dict(lifter=dict(type="SimpleBaseline", root=None, width=256, dropout=0.25))
