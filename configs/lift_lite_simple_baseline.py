"""SimpleBaseline with a small graph loss-net on `pose3d_mini`: two minutes of one core without, six with it."""

_base_ = ["_base_/lift_mini.py"]
