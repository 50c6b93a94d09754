"""RTMPose-l under the recipe of CIGPose, on COCO-WholeBody and UBody at 256 x 192: no intervention, no graph."""

_base_ = ["cigpose-l_8xb64-420e_coco-ubody-wholebody-256x192.py"]
model = dict(intervention=None, graph=None, consistency_weight=0.0)
