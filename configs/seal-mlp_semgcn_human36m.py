"""SemGCN with the MLP loss-net on Human3.6M (Table 1)."""

_base_ = ["seal-graph_semgcn_human36m.py"]
model = dict(critic=dict(energy=dict(_delete_=True, type="MLPEnergy")))
