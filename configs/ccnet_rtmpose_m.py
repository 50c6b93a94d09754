"""CCNet around RTMPose-m at 256 x 192: a head on each keypoint's embedding, whose own score is a raw logit."""

_base_ = ["_base_/ccnet.py"]
model = dict(
    network=dict(config="rtmpose-m_1xb384-420e_coco-256x192"),
    reader=dict(type="WholeBodyReader"),
    head=dict(type="TokenHead"),
)
