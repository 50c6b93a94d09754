"""MixSTE, 243 frames, with the MLP loss-net on Human3.6M (Table 1)."""

_base_ = ["_base_/seal_mixste.py"]
model = dict(critic=dict(energy=dict(_delete_=True, type="MLPEnergy"), margin="batch"))
