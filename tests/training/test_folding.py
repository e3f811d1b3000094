"""Folded batch normalisation, against the network itself. `pytest tests/training/test_folding.py`"""

import pytest
import torch
from torch import nn
from torchvision import models

from cnnrun.training.folding import fold


def moved(network):
    """In eval mode, with statistics and factors that are no longer those of the beginning."""
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            for tensor, low in ((module.running_mean, -0.5), (module.running_var, 0.5), (module.weight, 0.5)):
                tensor.data = torch.rand(tensor.shape, generator=generator) + low
    return network.eval()


def norms(network):
    return sum(isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d) for module in network.modules())


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "googlenet"])
def test_a_folded_network_is_the_same_function_without_batch_norm(name):
    settings = {"init_weights": False, "aux_logits": False} if name == "googlenet" else {}
    network = moved(models.get_model(name, **settings))
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    twin = fold(network, images)
    assert norms(network) > 0
    assert norms(twin) == 0
    with torch.no_grad():
        torch.testing.assert_close(twin(images), network(images), rtol=1e-3, atol=1e-4)


def test_batch_norm_behind_a_linear_layer_is_folded_too():
    network = moved(nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4)))
    samples = torch.randn(3, 5, generator=torch.Generator().manual_seed(1))
    twin = fold(network, samples)
    torch.testing.assert_close(twin(samples), network(samples))
    assert norms(twin) == 0


def test_batch_norm_before_a_convolution_stays():
    network = moved(models.densenet121())
    twin = fold(network, torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1)))
    assert 0 < norms(twin) < norms(network)


def test_what_others_use_too_is_not_folded():
    class Shortcut(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.bn = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)

        def forward(self, x):
            x = self.conv(x)
            return x + self.bn(x)

    network = moved(Shortcut())
    assert fold(network, torch.randn(2, 3, 4, 4)) is network


def test_a_network_without_batch_norm_is_left_alone():
    network = nn.Linear(5, 4).eval()
    assert fold(network, torch.randn(2, 5)) is network


def test_a_network_that_lets_no_gradient_through_is_left_alone():
    class Detached(nn.Linear):
        def forward(self, x):
            return super().forward(x).detach()

    network = Detached(5, 4).eval()
    assert fold(network, torch.randn(2, 5)) is network
