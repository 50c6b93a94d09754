"""`cape_flf_hgnn` with a causal intervention before the decoder: confused keypoints become what they are called."""

_base_ = ["cape_flf_hgnn.py"]
model = dict(intervention=dict(type="CausalIntervention", train=0.1, test=1))
