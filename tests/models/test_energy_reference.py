"""The energy network of reference 000 against the lines of its document."""

import pytest
import torch
from torch import nn

from cnnrun.errors import ConfigError


class EnergyCNN1D(nn.Module):
    """As printed in the document: 15 lags as channels of a series of one step."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(15, 64, kernel_size=1)
        self.fc = nn.Linear(64, 1)

    def forward(self, x):
        return self.fc(torch.relu(self.conv(x)).view(x.size(0), -1))


def test_it_has_the_parameters_and_the_outputs_of_the_document(build, count):
    model, document = build("energy_reference", (1, 15), num_outputs=1), EnergyCNN1D()
    assert count(model) == count(document) == 1_089
    document.load_state_dict(dict(zip(document.state_dict(), model.state_dict().values(), strict=True)))
    lags = torch.randn(8, 1, 15)
    torch.testing.assert_close(model(lags), document(lags.transpose(1, 2)))


def test_it_starts_with_the_weights_that_torch_draws(build):
    model = build("energy_reference", (1, 15), num_outputs=1)
    torch.manual_seed(0)
    assert torch.equal(model.features.conv1.weight, EnergyCNN1D().conv.weight)


def test_the_order_of_the_lags_means_nothing_to_it(build):
    model = build("energy_reference", (1, 15), num_outputs=1)
    lags, order = torch.randn(4, 1, 15), torch.randperm(15)
    expected = model(lags)
    conv = model.features.conv1
    conv.weight.data = conv.weight[:, order]
    torch.testing.assert_close(model(lags[..., order]), expected)


def test_more_layers_and_more_series_are_more_channels(build, count):
    model = build("energy_reference", (3, 15), num_outputs=2, channels=[64, 8])
    assert count(model) == (45 * 64 + 64) + (64 * 8 + 8) + (8 * 2 + 2)
    assert model(torch.zeros(5, 3, 15)).shape == (5, 2)


@pytest.mark.parametrize(
    ("shape", "changes", "message"),
    [
        (
            (1, 28, 28),
            {},
            "model=energy_reference is for series, (channels, steps); samples of shape 1x28x28: "
            "use model=mlp for others",
        ),
        ((1, 15), {"channels": []}, "model.channels=[]: energy_reference needs a layer, as in model.channels=[64]"),
    ],
)
def test_what_cannot_be_built_is_refused_in_a_sentence(build, shape, changes, message):
    with pytest.raises(ConfigError) as error:
        build("energy_reference", shape, **changes)
    assert str(error.value) == message
