"""CIGPose-l on CrowdPose at 256 x 192, 1 x 64 people a step (specification §5 and §7)."""

_base_ = ["_base_/cigpose_crowdpose.py"]
