"""SimpleBaseline with the official graph loss-net on H3WB (Table 3)."""

_base_ = ["_base_/seal_h3wb.py"]
model = dict(
    lifter=dict(_delete_=True, type="SimpleBaseline", root=None),
    critic=dict(energy=dict(type="GraphEnergy", spd="linear", degree_bias=True, node_id="embed32")),
    alpha=1e-3,
)
optim_wrapper = dict(lifter=dict(optimizer=dict(lr=1e-3)), critic=dict(optimizer=dict(lr=5e-4)))
