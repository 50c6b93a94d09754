"""VideoPose without a loss-net, the baseline, on H3WB (Table 3)."""

_base_ = ["seal-graph_videopose_h3wb.py"]
model = dict(critic=None)
