"""RTMPose-m under the recipe of CIGPose, on COCO at 256 x 192: no intervention, no graph."""

_base_ = ["cigpose-m_1xb384-420e_coco-256x192.py"]
model = dict(intervention=None, graph=None, consistency_weight=0.0)
