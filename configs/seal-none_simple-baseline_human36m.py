"""SimpleBaseline without a loss-net, the baseline, on Human3.6M (Table 1)."""

_base_ = ["seal-graph_simple-baseline_human36m.py"]
model = dict(critic=None)
