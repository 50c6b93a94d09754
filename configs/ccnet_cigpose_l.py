"""CCNet around CIGPose-l at 256 x 192: a head on each keypoint's embedding after the graph."""

_base_ = ["_base_/ccnet.py"]
model = dict(
    network=dict(config="cigpose-l_1xb256-420e_coco-256x192"),
    reader=dict(type="WholeBodyReader"),
    head=dict(type="TokenHead"),
)
