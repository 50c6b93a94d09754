"""The official Swin-V2 backbone, as the CAPE models configure it, against timm's under our key map."""

import torch

from cape.models.encoders import VisualEncoder
from cape.released import convert


def test_feature_map(reference) -> None:
    official = reference("swinv2_official")
    meta = official.meta
    options = {key: meta[key] for key in ("embed_dim", "depths", "num_heads", "window_size", "img_size")}
    encoder = VisualEncoder(
        name="swinv2_tiny_window16_256", strides=(32,), norm=True, enlarge=2, options={**options, "drop_path_rate": 0.0}
    ).eval()
    encoder.network.load_state_dict(convert("swinv2", official.state).state)
    # The reference was given tensors, not pictures: undo the conversion of input statistics, if there is any.
    images = (official.inputs["image"] - encoder.shift) / encoder.scale
    with torch.no_grad():
        feature = encoder(images)
    torch.testing.assert_close(feature, official.outputs["feature"], atol=1e-4, rtol=1e-5)
