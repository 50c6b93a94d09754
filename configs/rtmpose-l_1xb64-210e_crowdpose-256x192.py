"""RTMPose-l under the recipe of CIGPose, on CrowdPose at 256 x 192: no intervention, no graph."""

_base_ = ["cigpose-l_1xb64-210e_crowdpose-256x192.py"]
model = dict(intervention=None, graph=None, consistency_weight=0.0)
