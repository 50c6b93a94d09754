"""FLF with CIGPose's hierarchical graph in its decoder: declared parts, or neighbourhoods. Any split by `--split`."""

_base_ = ["cape_flf.py"]
model = dict(decoder=dict(graph=dict(_delete_=True, type="HierarchicalGraph", norm="layer")))
