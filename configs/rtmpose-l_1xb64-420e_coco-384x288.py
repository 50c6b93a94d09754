"""RTMPose-l under the recipe of CIGPose, on COCO at 384 x 288: no intervention, no graph."""

_base_ = ["cigpose-l_1xb64-420e_coco-384x288.py"]
model = dict(intervention=None, graph=None, consistency_weight=0.0)
