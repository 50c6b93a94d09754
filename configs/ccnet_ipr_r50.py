"""CCNet around mmpose's integral regression, ResNet-50 at 256 x 256 (Table 2: AP 65.6 to 70.8, recall 74.9)."""

_base_ = ["_base_/ccnet.py"]
model = dict(network=dict(config="ipr_res50_8xb64-210e_coco-256x256"), reader=dict(type="IntegralReader"))
train_dataloader = dict(dataset=dict(size=(256, 256)))
val_dataloader = dict(dataset=dict(size=(256, 256)))
