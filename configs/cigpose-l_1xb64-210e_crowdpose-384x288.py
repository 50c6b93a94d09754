"""CIGPose-l on CrowdPose at 384 x 288, 1 x 64 people a step (specification §5 and §7)."""

_base_ = ["_base_/cigpose_crowdpose.py"]
model = dict(
    size=(288, 384),
)
train_dataloader = dict(dataset=dict(size=(288, 384), sigma=(6.0, 6.93)))
val_dataloader = dict(dataset=dict(size=(288, 384), sigma=(6.0, 6.93)))
