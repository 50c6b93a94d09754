"""CCNet around mmpose's regression by likelihood (RLE), ResNet-50 at 256 x 192 (Table 2: AP 72.2 to 73.6, recall 75.4).

The published weights are those that began with a heatmap network's backbone.
"""

_base_ = ["_base_/ccnet.py"]
model = dict(
    network=dict(config="td-reg_res50_rle-pretrained-8xb64-210e_coco-256x192"),
    reader=dict(type="RegressionReader"),
    head=dict(type="GapHead"),
)
