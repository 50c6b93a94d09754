"""CIGPose-m on CrowdPose at 256 x 192, 1 x 64 people a step (specification §5 and §7)."""

_base_ = ["_base_/cigpose_crowdpose.py"]
model = dict(
    backbone=dict(deepen_factor=0.67, widen_factor=0.75),
    embedding=dict(channels=768),
)
