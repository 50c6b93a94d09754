"""SimpleBaseline with the MLP loss-net on H3WB (Table 3)."""

_base_ = ["seal-graph_simple-baseline_h3wb.py"]
model = dict(critic=dict(energy=dict(_delete_=True, type="MLPEnergy")))
