"""The prefix as a function of the samples: folding, chunks, precision. `pytest tests/training/test_prefix.py`"""

from dataclasses import replace

import pytest
import torch
from torch import nn

from cnnrun.training.cut import find_cut
from cnnrun.training.device import Compute
from cnnrun.training.prefix import Prefix

FP32 = Compute(torch.device("cpu"), "fp32", channels_last=True, compile=False)
BF16 = Compute(torch.device("cpu"), "bf16", channels_last=True, compile=False)


def network():
    """Convolutions and a linear layer with batch normalisation behind them, and one without."""
    torch.manual_seed(0)
    features = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 24, 3, groups=8),
        nn.BatchNorm2d(24),
        nn.MaxPool2d(2),
        nn.BatchNorm2d(24),
        nn.Flatten(),
        nn.Linear(24 * 16, 32),
        nn.BatchNorm1d(32),
    )
    for module in features.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -1, 1)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.uniform_(module.bias, -1, 1)
    model = Frozen(features, nn.Linear(32, 4))
    return model.to(memory_format=torch.channels_last)


class Frozen(nn.Module):
    def __init__(self, features, head):
        super().__init__()
        self.features, self.head = features.requires_grad_(False), head

    def train(self, mode=True):
        super().train(mode)
        self.features.eval()
        return self

    def forward(self, x):
        return self.head(self.features(x))


def prefix_of(model, compute=FP32):
    cut, _ = find_cut(model, torch.randn(2, 3, 10, 10))
    return Prefix(cut, model.eval(), compute)


def images(num_samples):
    return torch.randn(num_samples, 3, 10, 10, generator=torch.Generator().manual_seed(1))


def test_it_gives_what_the_frozen_layers_give():
    model = network()
    prefix = prefix_of(model)
    with torch.no_grad():
        torch.testing.assert_close(prefix(images(40)), model.features(images(40)), rtol=1e-4, atol=1e-5)
    assert prefix.is_folded
    assert len(prefix.cut.foldable) == 3
    assert not any(name.endswith("running_mean") and "6" not in name for name in prefix._head.state_dict())
    assert (prefix.shape, prefix.dtype, prefix.channels_last) == ((32,), torch.float32, False)


def test_it_stays_as_it_was_when_the_model_moves_on():
    model = network()
    prefix = prefix_of(model)
    before = prefix(images(3))
    nn.init.zeros_(model.features[0].weight)
    assert torch.equal(prefix(images(3)), before)
    assert not before.requires_grad


@pytest.mark.parametrize("compute", [FP32, BF16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("num_samples", [1, 2, 15, 16, 33, 100])
def test_a_sample_gives_the_same_bytes_however_it_comes(compute, num_samples):
    prefix = prefix_of(network(), compute)
    prefix.chunk = 32
    whole = prefix(images(300))
    assert torch.equal(prefix(images(300)[:num_samples]), whole[:num_samples])
    assert torch.equal(prefix(images(300).flip(0)).flip(0), whole)


def test_no_samples_give_no_activations():
    prefix = prefix_of(network())
    assert prefix(torch.zeros(0, 3, 10, 10)).shape == (0, 32)


def test_in_bf16_it_is_near_to_fp32():
    model = network()
    exact, rough = prefix_of(model)(images(50)), prefix_of(model, BF16)(images(50))
    assert (rough.float() - exact).abs().max() < 0.05 * exact.abs().max()


def test_the_key_changes_with_weights_precision_and_what_is_computed():
    keys = {prefix_of(network()).key, prefix_of(network(), BF16).key}
    assert prefix_of(network()).key in keys
    model = network()
    model.features[4].running_var[3] += 1e-6
    keys.add(prefix_of(model).key)
    model = network()
    model.features[2] = nn.SiLU()
    keys.add(prefix_of(model).key)
    model = network()
    nn.init.zeros_(model.head.weight)
    keys.add(prefix_of(model).key)
    assert len(keys) == 4


def test_the_key_does_not_depend_on_what_a_user_calls_the_cut():
    model = network()
    cut, _ = find_cut(model, images(2))
    keys = {Prefix(replace(cut, name=name), model, FP32).key for name in ("", "stage1", "stage2")}
    assert len(keys) == 1


def test_batch_normalisation_that_is_wrong_to_fold_is_not():
    """One whose convolution is used by something else, too."""

    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

        def forward(self, x):
            x = self.convolution(x)
            return (x + self.norm(x)).mean((2, 3))

    model = Frozen(Shared(), nn.Linear(4, 2))
    nn.init.constant_(model.features.norm.running_mean, 0.5)
    prefix = prefix_of(model)
    assert not prefix.is_folded
    with torch.no_grad():
        torch.testing.assert_close(prefix(images(16)), model.features(images(16)), rtol=1e-5, atol=1e-6)
