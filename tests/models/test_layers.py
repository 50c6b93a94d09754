"""Small shared blocks."""

import torch

from cape.models.layers import drop_modalities


def test_modality_dropout_takes_one_of_two_and_never_the_only_one() -> None:
    shown = torch.ones(4000, 3, dtype=torch.bool)
    named = shown.clone()
    shown[:1000] = False  # text alone
    named[1000:2000] = False  # picture alone
    seen, read = drop_modalities(shown, named, rates=(0.2, 0.4))
    assert not seen[:1000].any() and read[:1000].all()
    assert seen[1000:2000].all() and not read[1000:2000].any()
    both = slice(2000, 4000)
    assert (seen | read)[both].all()
    assert all((rows == rows[:, :1]).all() for rows in (seen, read)), "a sample loses a modality whole"
    without_picture, without_text = (1 - each[both, 0].float().mean() for each in (seen, read))
    assert abs(without_picture - 0.2) < 0.04 and abs(without_text - 0.8 * 0.4) < 0.04


def test_rates_of_zero_change_nothing() -> None:
    shown, named = torch.rand(50, 4) < 0.5, torch.rand(50, 4) < 0.5
    assert all(
        torch.equal(a, b) for a, b in zip(drop_modalities(shown, named, rates=(0.0, 0.0)), (shown, named), strict=True)
    )
