"""MixSTE, 243 frames, with a graph loss-net on Human3.6M; Table 1's row has the pair loss of Table 7, too."""

_base_ = ["_base_/seal_mixste.py"]
model = dict(
    critic=dict(
        energy=dict(
            type="GraphEnergy", layers=4, ratio=2.0, dropout=0.1, spd="linear", degree_bias=True, node_id="embed32"
        ),
        margin="batch",
        pair="smooth",
        pair_weight=1e-3,
        kappa=1.0,
        window=3,
    ),
)
