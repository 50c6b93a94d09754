"""SimpleBaseline without a loss-net, the baseline, on H3WB (Table 3)."""

_base_ = ["seal-graph_simple-baseline_h3wb.py"]
model = dict(critic=None)
