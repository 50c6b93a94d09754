"""`cape.compat`: third-party packages import, and a resume state is read without running what stands in it.

Imports are for the whole process, so what depends on their order runs in children; one child serves several tests.
"""

import importlib
import sys

import numpy as np
import pytest
import torch
import torch.distributed

from cape import compat
from cape.errors import DependencyError

pytestmark = pytest.mark.filterwarnings(
    "ignore:`torch.jit.(script|interface)` is deprecated:DeprecationWarning:torch.jit._script"
)

STAND_INS = ["mmdet", "mmdet.utils", "mmcv.ops"]


# ---- torchvision, setuptools, prepare


def test_torchvision_imports_after_the_declaration(run_child):
    facts = run_child("""
import gc, json
from cape import compat
compat.declare_torchvision_operators()
compat.declare_torchvision_operators()
gc.collect()
import torch, torchvision
native = torchvision.extension._has_ops()
compat.declare_torchvision_operators()
try:
    kept = torchvision.ops.nms(torch.tensor([[0.0, 0, 1, 1], [0, 0, 1, 1]]), torch.tensor([0.1, 0.9]), 0.5).tolist()
except RuntimeError as error:
    kept = str(error)
print(json.dumps({"native": native, "declared": len(compat._declared), "kept": kept}))
""")
    if facts["native"]:
        assert (facts["declared"], facts["kept"]) == (0, [1])
    else:
        assert facts["declared"] == 1
        assert "Couldn't load custom C++ ops" in facts["kept"]


def test_nothing_is_declared_where_it_is_not_needed(run_child):
    facts = run_child("""
import json, sys, types
from cape import compat
import torch
sys.modules["torchvision"] = types.ModuleType("torchvision")
compat.declare_torchvision_operators()
imported = len(compat._declared)
sys.modules["torchvision"] = None
compat.declare_torchvision_operators()
absent = len(compat._declared)
del sys.modules["torchvision"]
library = torch.library.Library("torchvision", "FRAGMENT")  # as if the C++ library had loaded
for schema in compat._OPERATORS:
    library.define(schema)
compat.declare_torchvision_operators()
print(json.dumps([imported, absent, len(compat._declared)]))
""")
    assert facts == [0, 0, 0]


def test_importing_cape_stays_light(run_child):
    heavy = ["cape.compat", "torchvision", "mmengine", "mmpose", "timm", "transformers"]
    facts = run_child(
        "import json, sys, cape; print(json.dumps([n for n in sys.argv[1:] if n in sys.modules]))", *heavy
    )
    assert facts == []


def test_missing_pkg_resources_is_said(monkeypatch):
    compat.require_setuptools()
    monkeypatch.setitem(sys.modules, "pkg_resources", None)
    with pytest.raises(DependencyError, match=r'pip install "setuptools>=70.1,<82"'):
        compat.require_setuptools()


def test_prepare_works_once_and_a_failure_is_not_remembered(monkeypatch):
    calls = []
    monkeypatch.setattr(compat, "declare_torchvision_operators", lambda: calls.append("declared"))
    compat.prepare.cache_clear()
    with monkeypatch.context() as broken:
        broken.setitem(sys.modules, "pkg_resources", None)
        for _ in range(2):
            with pytest.raises(DependencyError):
                compat.prepare()
    compat.prepare()
    compat.prepare()
    compat.prepare.cache_clear()  # the declaration was not the real one
    assert calls == ["declared"]


# ---- mmpose


@pytest.fixture(scope="module")
def mmpose_facts(run_child) -> dict:
    return run_child("""
import importlib.util, json, sys, warnings
warnings.filterwarnings("error", category=UserWarning)
from cape import compat
mmpose = compat.load_mmpose()
facts = {"version": mmpose.__version__}
facts["again"] = compat.load_mmpose() is mmpose and compat.load_mmpose.cache_info().misses == 1
facts["parts"] = [name for name in ("models", "datasets", "codecs", "evaluation", "apis", "visualization")
                  if hasattr(mmpose, name)]
facts["left"] = [name for name in ("mmdet", "mmdet.utils", "mmcv.ops") if name in sys.modules]
facts["found"] = importlib.util.find_spec("mmdet") is not None

from mmpose.models.heads.hybrid_heads import rtmo_head
from mmpose.models.heads.transformer_heads.transformers import deformable_detr_layers
facts["same"] = rtmo_head.reduce_mean is compat.reduce_mean
try:
    deformable_detr_layers.MultiScaleDeformableAttention(embed_dims=256)
except compat.DependencyError as error:
    facts["refusal"] = str(error)

import numpy as np, torch
from mmengine.structures import InstanceData
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample
codec = dict(type="SimCCLabel", input_size=(64, 96), sigma=(4.9, 5.66), simcc_split_ratio=2.0, normalize=False)
torch.manual_seed(0)
model = MODELS.build(dict(
    type="TopdownPoseEstimator",
    data_preprocessor=dict(type="mmpose.PoseDataPreprocessor", mean=[123.7, 116.3, 103.5], std=[58.4, 57.1, 57.4]),
    backbone=dict(type="CSPNeXt", deepen_factor=0.167, widen_factor=0.125, norm_cfg=dict(type="BN")),
    head=dict(type="RTMCCHead", in_channels=128, out_channels=5, input_size=(64, 96), in_featuremap_size=(2, 3),
              simcc_split_ratio=2.0, decoder=codec,
              gau_cfg=dict(hidden_dims=32, s=16, expansion_factor=2, dropout_rate=0.0, drop_path=0.0, act_fn="SiLU",
                           use_rel_bias=False, pos_enc=False),
              loss=dict(type="KLDiscretLoss", use_target_weight=True)),
    test_cfg=dict(flip_test=False))).eval()
crop = torch.randint(0, 256, (3, 96, 64), dtype=torch.uint8)
with torch.no_grad():
    facts["simcc"] = [list(axis.shape) for axis in model(crop[None].float(), None, mode="tensor")]
    sample = PoseDataSample(metainfo=dict(input_size=(64, 96), input_center=np.array([32.0, 48.0]),
                                          input_scale=np.array([64.0, 96.0])))
    sample.gt_instances = InstanceData(bboxes=np.array([[0.0, 0, 64, 96]]), bbox_scores=np.ones(1))
    [predicted] = model.test_step(dict(inputs=[crop], data_samples=[sample]))
facts["points"] = predicted.pred_instances.keypoints.tolist()
print(json.dumps(facts))
""")


def test_mmpose_comes_with_all_its_parts(mmpose_facts):
    assert mmpose_facts["parts"] == ["models", "datasets", "codecs", "evaluation", "apis", "visualization"]
    assert mmpose_facts["version"] == "1.3.2"
    assert mmpose_facts["again"]


def test_the_stand_ins_are_gone_after_the_import(mmpose_facts):
    assert mmpose_facts["left"] == []
    assert not mmpose_facts["found"]


def test_what_mmpose_got_instead_of_mmdet_and_mmcv(mmpose_facts):
    assert mmpose_facts["same"]
    assert "the compiled operators of the full mmcv" in mmpose_facts["refusal"]


def test_a_small_rtmpose_computes_and_predicts(mmpose_facts):
    assert mmpose_facts["simcc"] == [[1, 5, 128], [1, 5, 192]]
    points = np.array(mmpose_facts["points"])
    assert points.shape == (1, 5, 2)
    assert ((points >= 0) & (points <= (64, 96))).all()


def test_a_failed_import_is_one_error_and_leaves_no_stand_ins(run_child):
    facts = run_child(
        """
import json, sys
from cape import compat
messages = []
for missing in ("mmpose", "mmpose.models.heads.hybrid_heads.rtmo_head"):
    sys.modules[missing] = None
    try:
        compat.load_mmpose()
    except compat.DependencyError as error:
        messages.append(str(error))
    del sys.modules[missing]
print(json.dumps({"messages": messages, "left": [name for name in sys.argv[1:] if name in sys.modules]}))
""",
        *STAND_INS,
    )
    absent, broken = facts["messages"]
    assert "got no such package" in absent
    assert "pip install --no-deps mmpose==1.3.2" in absent
    assert "rtmo_head" in broken
    assert facts["left"] == []


def test_installed_packages_are_preferred_to_stand_ins(monkeypatch):
    monkeypatch.setattr(compat, "_installed", lambda name: name == "mmdet")
    with compat._stand_ins():
        assert "mmdet" not in sys.modules
        assert importlib.import_module("mmcv.ops").MultiScaleDeformableAttention is compat.MultiScaleDeformableAttention
    monkeypatch.setattr(compat, "_installed", lambda name: name == "mmcv._ext")
    with compat._stand_ins():
        assert "mmcv.ops" not in sys.modules
        assert importlib.import_module("mmdet.utils").reduce_mean is compat.reduce_mean
    assert not set(STAND_INS) & set(sys.modules)


def test_reduce_mean_averages_over_processes(monkeypatch):
    tensor = torch.tensor([2.0, 4.0])
    assert compat.reduce_mean(tensor) is tensor
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    # The other process holds 6 and 0; what it sends is half of that.
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda part, op: part.add_(torch.tensor([3.0, 0.0])))
    assert compat.reduce_mean(tensor).tolist() == [4.0, 2.0]
    assert tensor.tolist() == [2.0, 4.0]
