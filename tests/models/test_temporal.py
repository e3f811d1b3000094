"""The temporal network against hand arithmetic, and by what a normalisation or a shared weight must not change."""

import pytest
import torch
from torch import nn

from cnnrun.errors import ConfigError
from cnnrun.models.temporal import DilatedBlock


@pytest.fixture
def trained(build):
    """trained(shape, num_outputs, num_targets, **changes): in eval mode, with a head that is no longer zero."""

    def build_trained(*args, **changes):
        model = build("temporal", *args, **changes).eval()
        nn.init.normal_(model.head.weight, std=0.1)
        return model

    return build_trained


SHIFTS = {"none": lambda past: 0, "last": lambda past: past[-1], "mean": lambda past: past.mean()}
SHIFTS["standard"] = SHIFTS["mean"]


@pytest.mark.parametrize("normalise", list(SHIFTS))
def test_it_begins_as_the_linear_map_of_each_normalised_look_back(build, normalise):
    model = build("temporal", (3, 40), 2 * 4, 2, normalise=normalise)
    x = torch.randn(2, 3, 40) + 5
    outputs = model(x).view(2, 2, 4)
    for sample in range(2):
        for target in range(2):
            past = x[sample, target]
            shift, scale = SHIFTS[normalise](past), past.std(correction=0) if normalise == "standard" else 1
            expected = ((past - shift) / scale @ model.skip.weight.T + model.skip.bias) * scale + shift
            torch.testing.assert_close(outputs[sample, target], expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("independent", [True, False])
@pytest.mark.parametrize("skip", [True, False])
def test_a_target_in_another_unit_is_forecast_in_that_unit(trained, independent, skip):
    model = trained((3, 40), 2 * 4, 2, normalise="standard", independent=independent, skip=skip)
    x = torch.randn(5, 3, 40)
    scale, shift = torch.tensor([[3.0], [0.5]]), torch.tensor([[-2.0], [7.0]])
    changed = torch.cat([x[:, :2] * scale + shift, x[:, 2:]], dim=1)
    expected = model(x).view(5, 2, 4) * scale + shift
    torch.testing.assert_close(model(changed).view(5, 2, 4), expected, rtol=1e-3, atol=1e-3)


def test_independent_targets_are_forecast_by_the_same_weights_from_their_own_past(trained):
    model = trained((4, 40), 3 * 2, 3, independent=True)
    x = torch.randn(5, 4, 40)
    outputs = model(x).view(5, 3, 2)
    order = [2, 0, 1]
    torch.testing.assert_close(model(x[:, [*order, 3]]).view(5, 3, 2), outputs[:, order])
    other = x.clone()
    other[:, 0] += torch.randn(40)
    torch.testing.assert_close(model(other).view(5, 3, 2)[:, 1:], outputs[:, 1:])
    for target in range(3):
        alone = trained((2, 40), 2, 1, independent=True)
        alone.load_state_dict(model.state_dict())
        torch.testing.assert_close(alone(x[:, [target, 3]]), outputs[:, target])


def test_joint_targets_see_each_other(trained):
    model = trained((2, 40), 2 * 3, 2, independent=False)
    x = torch.randn(5, 2, 40)
    other = x.clone()
    other[:, 0] += torch.randn(40)
    change = (model(other) - model(x)).view(5, 2, 3)
    assert (change[:, 1].abs() > 1e-4).all()


@pytest.mark.parametrize("independent", [True, False])
def test_features_reach_every_forecast_as_they_are(trained, independent):
    model = trained((3, 40), 2 * 3, 2, independent=independent)
    x = torch.randn(5, 3, 40)
    other = x.clone()
    other[:, 2] += 1  # a normalisation of its own would hide this
    assert ((model(other) - model(x)).abs() > 1e-4).all()


def test_patches_end_with_the_look_back_and_leave_out_its_first_steps(trained):
    model = trained((1, 43), 2, 1, skip=False, normalise="none", patch_size=8, patch_stride=4)
    x = torch.randn(1, 1, 43, requires_grad=True)
    model(x).sum().backward()
    seen = x.grad[0, 0] != 0
    assert seen.tolist() == [False] * 3 + [True] * 40
    assert model.features.stem(x).shape == (1, 16, 9)


def test_a_block_is_a_dilated_and_a_pointwise_convolution_beside_its_input():
    block = DilatedBlock(4, kernel_size=3, dilation=5).eval()
    residual = block.residual
    nn.init.uniform_(residual.bn.running_mean)
    nn.init.uniform_(residual.bn.running_var, 0.5, 1.5)
    x = torch.randn(2, 4, 30)
    padded = nn.functional.pad(x, (5, 5))
    taps = [residual.conv1.weight[:, :, tap] @ padded[..., tap * 5 : tap * 5 + 30] for tap in range(3)]
    mean, deviation = residual.bn.running_mean, (residual.bn.running_var + residual.bn.eps).sqrt()
    normalised = (sum(taps) - mean[:, None]) / deviation[:, None]
    expected = x + residual.conv2.weight[..., 0] @ nn.functional.gelu(normalised) + residual.conv2.bias[:, None]
    torch.testing.assert_close(block(x), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("independent", [True, False])
def test_every_parameter_learns_from_several_targets_and_quantiles(build, independent):
    model = build("temporal", (5, 60), 3 * 4 * 2, 3, independent=independent, dropout=0.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):  # the head starts at zero, so that the first step moves nothing before it
        optimizer.zero_grad()
        model(torch.randn(8, 5, 60)).square().mean().backward()
        optimizer.step()
    assert all(parameter.grad.any() for parameter in model.parameters())


def test_a_flat_look_back_is_forecast_flat(trained):
    model = trained((1, 40), 3, 1, skip=True, normalise="standard")
    x = torch.full((2, 1, 40), 4.0)
    torch.testing.assert_close(model(x), torch.full((2, 3), 4.0), rtol=0.01, atol=0.01)


@pytest.mark.parametrize(
    ("args", "changes", "message"),
    [
        (((1, 8, 8), 10, 1), {}, "model=temporal is for series, (channels, steps); samples of shape 1x8x8: use "),
        (((1, 20), 10, 1), {}, "model.patch_size=24: dataset.lookback=20 is shorter; use at most 20"),
    ],
)
def test_what_cannot_be_built_is_refused_in_a_sentence(build, args, changes, message):
    with pytest.raises(ConfigError) as error:
        build("temporal", *args, **changes)
    assert str(error.value).startswith(message)
