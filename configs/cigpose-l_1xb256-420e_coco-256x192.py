"""CIGPose-l on COCO at 256 x 192, 1 x 256 people a step (specification §5 and §7)."""

_base_ = ["_base_/cigpose_coco.py"]
