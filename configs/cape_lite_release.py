"""The weights that ship: cape_lite, taught by pictures whose licences permit it and by hundreds of drawn categories.

`split = None` leaves nothing out; with --split N no family that split N tests on is read. Nothing is chosen by
validation, which watches other drawn categories: the last epoch counts.
"""

_base_ = ["_base_/lite.py"]
split = None
model = dict(prior=dict(type="TurnedFit"))
features = dict(variants=2)
train_dataloader = dict(
    dataset=dict(
        source=dict(
            _delete_=True,
            type="Joined",
            sources=[
                dict(
                    type="Permitted",
                    permitted=dict(
                        livestock_sheep=dict(license="CC BY 4.0"),
                        livestock_horse=dict(license="CC BY 4.0"),
                        livestock_cattle=dict(license="CC BY 4.0"),
                        fly_body=dict(license="Apache-2.0 repository"),
                        mouse_mirror=dict(license="MIT repository"),
                        glue_tube=dict(license="MIT repository"),
                        human_face=dict(source="davisking/dlib"),
                        human_body=dict(license="Attribution License"),
                    ),
                ),
                dict(type="Drawn", bred=300, instances=8, size=256, rich=True, squeeze=0.4),
            ],
            shares=[0.4, 0.6],
        ),
        length=4000,
    )
)
others = dict(_delete_=True, type="Drawn", categories=[], bred=(9000, 9030), instances=16, size=256, rich=True)
val_dataloader = dict(dataset=dict(source=others, pairs=dict(episodes=10)))
del others
train_cfg = dict(max_epochs=3, val_interval=3)
