"""Every option in conf/model, found by listing: it builds, trains and is restored."""

from pathlib import Path

import pytest
import torch
from torch import nn

from cnnrun.errors import ConfigError

OTHERS = {"backbone"}
"""Networks that others built, and that start with weights from elsewhere: see test_backbone.py."""
OPTIONS = sorted(
    path.stem for path in (Path(__file__).parents[2] / "conf" / "model").glob("*.yaml") if path.stem not in OTHERS
)
SERIES = {"cnn1d", "energy_reference", "temporal"}
LARGE = {"resnet18_cifar", "resnet32", "resnet34", "resnet50"}


@pytest.mark.parametrize(
    "option", [pytest.param(option, marks=pytest.mark.slow if option in LARGE else ()) for option in OPTIONS]
)
def test_every_parameter_of_an_option_learns_and_is_restored(build, option):
    shape = shape_for(option)
    model = build(option, shape)
    train_three_steps(model, shape)
    for name, parameter in model.named_parameters():
        assert parameter.grad.any(), name
    copy = build(option, shape)
    copy.load_state_dict(model.state_dict())
    x = torch.randn(2, *shape)
    assert torch.equal(copy.eval()(x), model.eval()(x))


@pytest.mark.slow
@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 64, 64), (2, 40), (1, 20, 20, 20)])
def test_an_option_trains_on_samples_of_any_dimensions_or_refuses_small_ones(build, option, shape):
    if shape == (1, 8, 8) and option in {"reference_001_cnn", "reference_002_convnet", "reference_003_four_blocks"}:
        with pytest.raises(ConfigError, match="is smaller than its 2x2 max pool"):
            build(option, shape)
        return
    if option in SERIES and len(shape) != 2:
        with pytest.raises(ConfigError, match="is for series"):
            build(option, shape)
        return
    model = build(option, shape)
    train_three_steps(model, shape)
    assert all(parameter.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_has_a_sequence_of_named_features_and_a_head_without_shared_activations(build, option):
    with torch.device("meta"):
        model = build(option, shape_for(option), num_outputs=7)
    children = [name for name, _ in model.named_children()]
    assert children == ["features", "head", *(["skip"] if option == "temporal" else [])]
    assert isinstance(model.features, nn.Sequential)
    assert not any(name.isdigit() for name, _ in model.features.named_children())
    assert not any(getattr(module, "inplace", False) for module in model.modules())
    names = [name for name, module in model.named_modules(remove_duplicate=False) if not any(module.children())]
    assert len(names) == len([name for name, module in model.named_modules() if not any(module.children())])
    assert isinstance(model.head, nn.Linear)
    assert model.head.out_features == 7


@pytest.mark.parametrize("option", ["mlp", "cnn", "reference_001_cnn", "resnet"])
def test_channels_last_and_bf16_change_an_output_by_no_more_than_rounding(build, option):
    model = build(option, (3, 28, 28)).eval()
    x = torch.randn(4, 3, 28, 28)
    expected = model(x)
    model, x = model.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    torch.testing.assert_close(model(x), expected, rtol=1e-4, atol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        output = model(x)
    torch.testing.assert_close(output.float(), expected, rtol=0.1, atol=0.1)


def shape_for(option: str) -> tuple[int, ...]:
    return (3, 32) if option in SERIES else (3, 32, 32)


def train_three_steps(model: nn.Module, input_shape: tuple[int, ...]) -> None:
    """A residual block starts as its shortcut, so that its first gradients are zero: a later step must move it."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        outputs = model.train()(torch.randn(4, *input_shape, generator=generator))
        assert outputs.shape == (4, 10)
        optimizer.zero_grad()
        nn.functional.cross_entropy(outputs, torch.tensor([1, 2, 3, 4])).backward()
        optimizer.step()
