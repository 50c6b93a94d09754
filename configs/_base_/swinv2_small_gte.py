"""The paper's networks: Swin-V2 Small on 256 px, its 8 x 8 map enlarged to 16 x 16, and GTE for text (§3.1 to §3.3)."""

model = dict(
    type="FewShotPose",
    width=256,
    visual=dict(
        type="VisualEncoder",
        name="swinv2_small_window16_256",
        strides=(32,),
        norm=True,
        enlarge=2,
        options=dict(drop_path_rate=0.3),
    ),
    support=dict(type="SupportEncoder", sigma=1.0),
    text=dict(type="TextEncoder", name="gte", width=768),
    alignment=dict(type="CMAA", matrices="learned", pairing="bias", norm="affine", lead="visual", gamma=0.1),
    matching=dict(type="Matching", heads=8, layers=3, hidden=768, dropout=0.1),
    decoder=dict(
        type="KeypointDecoder",
        heads=8,
        layers=3,
        dropout=0.1,
        graph=dict(type="GraphFeedForward", hidden=768, mode="pre", weighting="sender"),
    ),
)
