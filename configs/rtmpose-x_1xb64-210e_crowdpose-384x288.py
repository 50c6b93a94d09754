"""RTMPose-x under the recipe of CIGPose, on CrowdPose at 384 x 288: no intervention, no graph."""

_base_ = ["cigpose-x_1xb64-210e_crowdpose-384x288.py"]
model = dict(intervention=None, graph=None, consistency_weight=0.0)
