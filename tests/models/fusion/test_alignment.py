"""CMAA: what its switches promise (specification §7.1, checks 5 to 10)."""

import pytest
import torch

from cape.models.fusion import CMAA

B, K, D = 2, 6, 16


def tokens(seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    visual, text = torch.randn(2, B, K, D, generator=generator)
    return visual, text, torch.ones(B, K, dtype=torch.bool), torch.ones(B, K, dtype=torch.bool)


def part(**switches) -> CMAA:
    torch.manual_seed(0)
    return CMAA(width=D, gamma=switches.pop("gamma", 1.0), **switches).eval()


EVERY = [
    {"matrices": matrices, "pairing": pairing, "norm": norm, "lead": lead}
    for matrices in ("learned", "none")
    for pairing in ("bias", "hard", "none")
    for norm in ("affine", "plain", "none")
    for lead in ("visual", "text", "both")
]


def counted(**switches) -> int:
    return sum(parameter.numel() for parameter in CMAA(**switches).parameters())


def test_parameters_are_those_of_the_paper_s_tables() -> None:
    """Added to CapeX-S and one visual projection (195,715,368): Table 5, Eq. 1 to 4, and our default."""
    assert counted(matrices="none", pairing="none", norm="plain") == 1
    assert counted(matrices="learned", pairing="none", norm="affine") == 3 * 256 * 256 + 512 + 1
    assert counted() == 3 * 256 * 256 + 512 + 2


def test_equation_by_hand() -> None:
    """Eq. 1 with one query and two keys, in plain arithmetic."""
    cmaa = part(matrices="none", pairing="none", norm="none", gamma=0.5)
    visual, text, mask, text_mask = tokens()
    text_mask[:, 2:] = False
    found = cmaa(visual, text, mask, text_mask)
    a, b = visual[0, 4], text[0, :2]
    logits = [float(a @ each) / D**0.5 for each in b]
    weights = torch.tensor(logits).exp() / torch.tensor(logits).exp().sum()
    torch.testing.assert_close(found[0, 4], a + 0.5 * (weights[0] * b[0] + weights[1] * b[1]))


@pytest.mark.parametrize("lead", ["visual", "text", "both"])
def test_without_pairing_the_texts_are_a_set(lead: str) -> None:
    visual, text, mask, _ = tokens()
    order = torch.tensor([1, 2, 3, 4, 5, 0])
    blind = part(pairing="none", lead="visual")
    assert (blind(visual, text, mask, mask) - blind(visual, text[:, order], mask, mask)).abs().max() < 1e-6
    for pairing in ("bias", "hard"):
        bound = part(pairing=pairing, lead=lead)
        assert (bound(visual, text, mask, mask) - bound(visual, text[:, order], mask, mask)).abs().max() > 1e-3


def test_pairing_bias_runs_from_the_literal_form_to_the_hard_one() -> None:
    visual, text, mask, _ = tokens()
    forms = {name: part(pairing=name) for name in ("none", "hard", "bias")}
    for beta, limit in ((0.0, "none"), (60.0, "hard")):
        forms["bias"].beta.data.fill_(beta)
        torch.testing.assert_close(forms["bias"](visual, text, mask, mask), forms[limit](visual, text, mask, mask))


def test_gamma_zero_is_the_visual_model() -> None:
    visual, text, mask, _ = tokens()
    assert torch.equal(part(gamma=0.0, norm="none")(visual, text, mask, mask), visual)
    normed = part(gamma=0.0, norm="affine")
    assert torch.equal(normed(visual, text, mask, mask), normed(visual, torch.randn_like(text), mask, mask))


def test_one_keypoint() -> None:
    """Check 9: the softmax is 1."""
    cmaa = part(pairing="none", norm="none")
    visual, text, mask, _ = (each[:, :1] for each in tokens())
    torch.testing.assert_close(cmaa(visual, text, mask, mask), visual + cmaa.value(text))


@pytest.mark.parametrize("switches", EVERY, ids=lambda switches: "-".join(switches.values()))
def test_contract_of_the_slot(switches: dict) -> None:
    cmaa = part(**switches)
    visual, text, visual_mask, text_mask = tokens()
    visual_mask[0, 1] = text_mask[1, 3] = False
    found = cmaa(visual, text, visual_mask, text_mask)
    assert found.shape == (B, K, D) and torch.isfinite(found).all()

    order = torch.tensor([4, 0, 5, 2, 1, 3])
    moved = cmaa(visual[:, order], text[:, order], visual_mask[:, order], text_mask[:, order])
    torch.testing.assert_close(moved, found[:, order], atol=1e-5, rtol=0)

    garbage = torch.full((B, 9, D), 1e4)
    closed = torch.zeros(B, 9, dtype=torch.bool)
    padded = cmaa(
        torch.cat([visual, garbage], 1), torch.cat([text, -garbage], 1), torch.cat([visual_mask, closed], 1),
        torch.cat([text_mask, closed], 1),
    )  # fmt: skip
    torch.testing.assert_close(padded[:, :K], found, atol=1e-5, rtol=0)


@pytest.mark.parametrize("switches", EVERY, ids=lambda switches: "-".join(switches.values()))
def test_every_parameter_gets_a_gradient(switches: dict) -> None:
    cmaa = part(**switches).train()
    (cmaa(*tokens()) * torch.randn(B, K, D)).sum().backward()
    for name, parameter in cmaa.named_parameters():
        # With hard pairing there is one key, and a softmax over one key has no gradient.
        if switches["pairing"] == "hard" and name.split(".")[0] in ("query", "key"):
            continue
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("lead", ["visual", "text", "both"])
def test_either_modality_may_be_absent(lead: str) -> None:
    cmaa = part(norm="none", lead=lead)
    visual, text, mask, _ = tokens()
    absent = torch.zeros_like(mask)
    for found, present in ((cmaa(visual, text, mask, absent), visual), (cmaa(visual, text, absent, mask), text)):
        torch.testing.assert_close(found, present)
    assert torch.isfinite(cmaa(visual, text, absent, absent)).all()
