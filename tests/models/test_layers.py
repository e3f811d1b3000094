"""The layer table against arithmetic by hand, and a model left as it was found."""

import pytest
import torch
from torch import nn

from cnnrun.models.layers import (
    feature_map_size,
    has_trainable_depthwise,
    layer_table,
    multiply_adds,
    trace,
    with_modes_of,
)
from cnnrun.tables import LAYERS


def test_the_layer_table_of_reference_001_is_the_arithmetic_by_hand(build):
    table = layer_table(build("reference_001_cnn", (1, 28, 28)), (1, 28, 28))
    assert set(table[0]) == set(LAYERS.names)
    rows = [(r["name"], r["type"], r["output_shape"], r["parameters"], r["multiply_adds"]) for r in table]
    assert rows == [
        ("features.block1.conv1", "Conv2d", "32x26x26", 32 * 9 + 32, 32 * 9 * 26 * 26),
        ("features.block1.pool", "MaxPool2d", "32x13x13", 0, 0),
        ("features.block1.act1", "ReLU", "32x13x13", 0, 0),
        ("features.block2.conv1", "Conv2d", "64x11x11", 64 * 32 * 9 + 64, 64 * 32 * 9 * 11 * 11),
        ("features.block2.pool", "MaxPool2d", "64x5x5", 0, 0),
        ("features.block2.act1", "ReLU", "64x5x5", 0, 0),
        ("features.block3.conv1", "Conv2d", "64x3x3", 64 * 64 * 9 + 64, 64 * 64 * 9 * 3 * 3),
        ("features.block3.act1", "ReLU", "64x3x3", 0, 0),
        ("features.flatten", "Flatten", "576", 0, 0),
        ("features.dense1.linear", "Linear", "64", 576 * 64 + 64, 576 * 64),
        ("features.dense1.act", "ReLU", "64", 0, 0),
        ("head", "Linear", "10", 64 * 10 + 10, 64 * 10),
    ]
    assert all(row["trainable"] == row["parameters"] for row in table)


def test_the_multiply_adds_of_resnet18_are_the_published_ones(build):
    with torch.device("meta"):
        table = layer_table(build("resnet18", (3, 224, 224), num_outputs=1000), (3, 224, 224))
    assert sum(row["multiply_adds"] for row in table) == pytest.approx(1.814e9, rel=1e-3)
    assert sum(row["parameters"] for row in table) == 11_689_512


def test_grouped_convolutions_count_the_weights_they_have():
    conv = nn.Conv1d(8, 8, 3, groups=8, bias=False)
    assert multiply_adds(conv, conv(torch.zeros(1, 8, 12))) == 8 * 3 * 10


def test_frozen_parameters_are_counted_but_not_as_trainable(build):
    model = build("mlp", (1, 4, 4), num_outputs=3, hidden=[5])
    model.features.requires_grad_(False)
    table = {row["name"]: row for row in layer_table(model, (1, 4, 4))}
    assert (table["features.dense1.linear"]["parameters"], table["features.dense1.linear"]["trainable"]) == (85, 0)
    assert (table["head"]["parameters"], table["head"]["trainable"]) == (18, 18)


class CalledTwice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Scaled()

    def forward(self, x):
        return self.inner(self.inner(x))


class Scaled(nn.Module):
    """A linear layer, and a parameter that belongs to no layer."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3, bias=False)
        self.scale = nn.Parameter(torch.ones(3))

    def forward(self, x):
        return self.linear(x) * self.scale


def test_a_layer_called_twice_is_one_row_and_a_parameter_outside_of_layers_is_counted():
    table = {row["name"]: row for row in layer_table(CalledTwice(), (3,))}
    assert table["inner.linear"]["multiply_adds"] == 2 * 9
    assert sum(row["parameters"] for row in table.values()) == 9 + 3


def test_the_table_says_which_batch_norm_keeps_its_statistics(build):
    model = build("cnn", (1, 8, 8), channels=[4, 4])
    model.features.block1.eval()
    rows = {row["name"]: row["batch_norm"] for row in layer_table(model, (1, 8, 8))}
    norms = {name: mode for name, mode in rows.items() if mode}
    assert norms == {
        f"features.block{block}.bn{conv}": mode for block, mode in ((1, "eval"), (2, "train")) for conv in (1, 2)
    }


class Attention(nn.Module):
    """Gives a tuple, and reads the weights of its last layer without calling it."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.norm = nn.LayerNorm(4)

    def forward(self, x):
        return self.norm(self.attention(x, x, x)[0])


def test_layers_that_give_tuples_or_are_not_called_are_rows_too():
    model = Attention()
    rows = [(row["name"], row["output_shape"], row["parameters"]) for row in layer_table(model, (3, 4))]
    assert rows == [("attention", "3x4", 3 * 4 * 5), ("attention.out_proj", "3x4", 4 * 5), ("norm", "3x4", 8)]


class Branches(nn.Module):
    """A BatchNorm for the sum of two convolutions, and one for a single one of them."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(1, 2, 1), nn.Conv2d(1, 2, 1)
        self.of_a, self.of_both = nn.BatchNorm2d(2), nn.BatchNorm2d(2)

    def forward(self, x):
        a, b = self.a(x), self.b(x)
        return self.of_a(a) + self.of_both(a + b)


def test_a_batch_norm_belongs_to_the_convolution_whose_very_output_it_takes():
    assert trace(Branches(), (1, 2, 2)).normalised == {"of_a": "a"}


def test_looking_at_a_model_leaves_modes_statistics_hooks_and_randomness_alone(build):
    model = build("cnn", (1, 8, 8), dropout=0.5)
    model.train()
    model.features.block1.eval()
    modes = [module.training for module in model.modules()]
    state = {name: value.clone() for name, value in model.state_dict().items()}
    random_state = torch.get_rng_state()
    layer_table(model, (1, 8, 8))
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())
    assert torch.equal(torch.get_rng_state(), random_state)


def test_hooks_and_modes_are_restored_after_an_error_too(build):
    model = build("cnn", (1, 8, 8)).train()
    with pytest.raises(RuntimeError):
        layer_table(model, (3, 8, 8))
    assert all(module.training for module in model.modules())
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize(
    ("option", "shape", "size"),
    [
        ("cnn", (1, 8, 8), (2, 2)),
        ("cnn", (2, 40), (10,)),
        ("reference_001_cnn", (1, 28, 28), (3, 3)),
        ("resnet20", (3, 32, 32), (8, 8)),
        ("resnet18", (3, 32, 32), (1, 1)),
        ("mlp", (1, 8, 8), None),
    ],
)
def test_the_feature_map_size_is_that_before_global_pooling(build, option, shape, size):
    assert feature_map_size(build(option, shape), shape) == size


def test_only_a_depthwise_convolution_that_trains_is_a_trainable_depthwise():
    depthwise = nn.Conv2d(4, 8, 3, groups=4)
    assert has_trainable_depthwise(nn.Sequential(depthwise))
    assert not has_trainable_depthwise(nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3, groups=2)))
    assert not has_trainable_depthwise(depthwise.requires_grad_(False))


def test_modes_are_told_anew_of_a_table_that_is_older():
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.BatchNorm2d(2))
    rows = layer_table(model, (1, 4, 4))
    model[1].eval()
    assert [row["batch_norm"] for row in rows] == ["", "train", "train"]
    assert with_modes_of(model, rows) == layer_table(model, (1, 4, 4))
    assert with_modes_of(model, rows)[1]["batch_norm"] == "eval"
