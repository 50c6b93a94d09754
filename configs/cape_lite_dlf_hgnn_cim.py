"""`cape_lite_dlf` with CIGPose's hierarchical graph and causal intervention in both branches."""

_base_ = ["cape_lite_dlf.py"]
model = dict(
    decoder=dict(graph=dict(_delete_=True, type="HierarchicalGraph", norm="layer")),
    intervention=dict(type="CausalIntervention", train=0.1, test=1),
)
