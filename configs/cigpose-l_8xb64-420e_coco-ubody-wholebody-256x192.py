"""CIGPose-l on COCO-WholeBody and UBody at 256 x 192, 8 x 64 people a step (specification §5 and §7)."""

_base_ = ["_base_/cigpose_ubody.py"]
