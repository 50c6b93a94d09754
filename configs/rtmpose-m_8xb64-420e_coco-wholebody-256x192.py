"""RTMPose-m under the recipe of CIGPose, on COCO-WholeBody at 256 x 192: no intervention, no graph."""

_base_ = ["cigpose-m_8xb64-420e_coco-wholebody-256x192.py"]
model = dict(intervention=None, graph=None, consistency_weight=0.0)
