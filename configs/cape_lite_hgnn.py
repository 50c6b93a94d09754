"""The small model with CIGPose's hierarchical graph in its decoder, to compare `cape_lite` with."""

_base_ = ["cape_lite.py"]
model = dict(decoder=dict(graph=dict(_delete_=True, type="HierarchicalGraph", norm="layer")))
