"""SimpleBaseline with the official graph loss-net on Human3.6M (Table 1)."""

_base_ = ["_base_/seal_human36m.py"]
model = dict(
    critic=dict(energy=dict(type="GraphEnergy", spd="linear", degree_bias=True, node_id="embed32")),
    alpha=1e-3,
)
optim_wrapper = dict(lifter=dict(optimizer=dict(lr=1e-3)), critic=dict(optimizer=dict(lr=5e-4)))
