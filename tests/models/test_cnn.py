"""The plain convolutional network against plain torch layers in the order of the textbook."""

from collections import OrderedDict

import pytest
import torch
from torch import nn

from cnnrun.errors import ConfigError

MONOTONE = {"relu": nn.ReLU, "leaky_relu": nn.LeakyReLU, "elu": nn.ELU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


def test_the_network_of_reference_001_has_its_published_parameters(build, count):
    assert count(build("reference_001_cnn", (1, 28, 28))) == 93_322


@pytest.mark.parametrize("activation", MONOTONE)
def test_pooling_before_a_monotone_activation_gives_the_textbook_outputs_and_gradients(build, activation):
    model = build("reference_001_cnn", (1, 28, 28), activation=activation)
    act = MONOTONE[activation]
    textbook = nn.Sequential(
        *(nn.Conv2d(1, 32, 3), act(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3), act(), nn.MaxPool2d(2)),
        *(nn.Conv2d(64, 64, 3), act(), nn.Flatten(), nn.Linear(576, 64), act(), nn.Linear(64, 10)),
    )
    assert_same_function(model, textbook, torch.randn(4, 1, 28, 28))
    assert [name for name, _ in model.features.block1.named_children()] == ["conv1", "pool", "act1"]


def test_pooling_after_batch_norm_gives_the_textbook_outputs_and_gradients(build):
    model = build("cnn", (3, 8, 8), channels=[4, 6])
    textbook = nn.Sequential(
        *(nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU()),
        *(nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(4, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU()),
        *(nn.Conv2d(6, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 10)),
    )
    assert_same_function(model, textbook, torch.randn(4, 3, 8, 8))


@pytest.mark.parametrize(
    ("changes", "order"),
    [
        ({"activation": "gelu"}, ["conv1", "bn1", "act1", "pool"]),
        ({"activation": "silu"}, ["conv1", "bn1", "act1", "pool"]),
        ({"batch_norm": "after"}, ["conv1", "act1", "bn1", "pool"]),
        ({"pooling": "avg"}, ["conv1", "bn1", "act1", "pool"]),
        ({"batch_norm": "none", "pooling": "sum"}, ["conv1", "act1", "pool"]),
        ({"pooling": "none"}, ["conv1", "bn1", "act1"]),
        ({}, ["conv1", "bn1", "pool", "act1"]),
    ],
)
def test_the_pool_stays_last_where_moving_it_would_change_the_function(build, changes, order):
    model = build("cnn", (3, 8, 8), convs_per_block=1, **changes)
    assert [name for name, _ in model.features.block1.named_children()] == order


@pytest.mark.parametrize("num_dims", [1, 2, 3])
def test_one_class_serves_one_two_and_three_dimensions(build, num_dims):
    conv, norm, pool = [
        (nn.Conv1d, nn.BatchNorm1d, nn.AvgPool1d),
        (nn.Conv2d, nn.BatchNorm2d, nn.AvgPool2d),
        (nn.Conv3d, nn.BatchNorm3d, nn.AvgPool3d),
    ][num_dims - 1]
    shape = (2, *[8] * num_dims)
    changes = {"channels": [3, 4], "convs_per_block": 1, "pooling": "avg", "batch_norm": "after"}
    model = build("cnn", shape, global_pooling="none", **changes)
    textbook = nn.Sequential(
        *(conv(2, 3, 3, padding=1), nn.ReLU(), norm(3), pool(2)),
        *(conv(3, 4, 3, padding=1), nn.ReLU(), norm(4), nn.Flatten(), nn.Linear(4 * 4**num_dims, 10)),
    )
    assert_same_function(model, textbook, torch.randn(3, *shape))


@pytest.mark.parametrize("num_dims", [1, 2, 3])
def test_sum_pooling_adds_up_each_window(build, num_dims):
    shape = (1, *[4] * num_dims)
    pool = build("cnn", shape, channels=[1, 1], pooling="sum").features.block1.pool
    assert torch.equal(pool(torch.ones(2, *shape)), torch.full((2, 1, *[2] * num_dims), 2.0**num_dims))


@pytest.mark.parametrize("num_dims", [1, 2, 3])
def test_a_dilated_convolution_is_that_of_torch_and_same_keeps_the_size(build, num_dims):
    conv = [nn.Conv1d, nn.Conv2d, nn.Conv3d][num_dims - 1]
    shape = (2, *[9] * num_dims)
    changes = {"channels": [3, 4], "convs_per_block": 1, "pooling": "none", "batch_norm": "none", "hidden": [5]}
    model = build("cnn", shape, global_pooling="none", dilation=[1, 3], **changes)
    textbook = nn.Sequential(
        *(conv(2, 3, 3, padding=1), nn.ReLU(), conv(3, 4, 3, padding=3, dilation=3), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(4 * 9**num_dims, 5), nn.ReLU(), nn.Linear(5, 10)),
    )
    assert_same_function(model, textbook, torch.randn(3, *shape))


@pytest.mark.parametrize("settings", [{"stride": 2}, {"convs_per_block": 3}, {"padding": "same"}, {"pooling": "max"}])
def test_the_head_has_as_many_inputs_as_a_dilated_network_gives(build, settings):
    changes = {"padding": "valid", "pooling": "none", "dilation": [1, 2, 3], "global_pooling": "none"}
    for steps in (120, 121, 137):
        assert build("cnn", (2, steps), **(changes | settings))(torch.zeros(1, 2, steps)).shape == (1, 10)


@pytest.mark.parametrize("kernel_size", [1, 2, 3])
@pytest.mark.parametrize("convs_per_block", [1, 2])
def test_a_causal_block_sees_the_past_as_far_as_its_kernels_reach_and_no_future(build, kernel_size, convs_per_block):
    changes = {"channels": [4, 4], "dilation": [1, 3], "batch_norm": "none", "activation": "tanh"}
    model = build("cnn1d", (2, 30), kernel_size=kernel_size, convs_per_block=convs_per_block, **changes)
    blocks = nn.Sequential(model.features.block1, model.features.block2)
    x = torch.randn(1, 2, 30)
    moved = x.clone()
    moved[:, :, 12] += 1
    changed = (blocks(moved) != blocks(x)).any(dim=1)[0].nonzero().flatten().tolist()
    reach = convs_per_block * (kernel_size - 1) * (1 + 3)
    assert changed[0] == 12
    assert changed[-1] == 12 + reach
    assert blocks(x).shape == (1, 4, 30)


def test_a_causal_convolution_takes_zeros_before_the_series(build):
    model = build("cnn1d", (1, 4), channels=[1], dilation=2, kernel_size=2, activation="relu")
    conv = model.features.block1.conv1
    nn.init.constant_(conv.weight, 1.0)
    outputs = model.features.block1(torch.tensor([[[1.0, 2.0, 3.0, 4.0]]]))
    assert outputs.tolist() == [[[1.0, 2.0, 4.0, 6.0]]]
    assert [name for name, _ in model.features.block1.named_children()] == ["pad1", "conv1", "act1"]


def test_lists_set_each_block_apart_and_pool_the_last_one_too(build):
    model = build(
        "cnn",
        (1, 16, 16),
        channels=[4, 8],
        convs_per_block=[1, 3],
        kernel_size=[5, 3],
        stride=[1, 2],
        pooling=["avg", "max"],
        pool_size=[3, 2],
        pool_stride=[2, 1],
        global_pooling="none",
    )
    first, second = model.features.block1, model.features.block2
    assert (first.conv1.kernel_size, first.pool.kernel_size, first.pool.stride) == ((5, 5), 3, 2)
    assert [second.conv1.stride, second.conv2.stride, second.conv3.stride] == [(2, 2), (1, 1), (1, 1)]
    # 16 -> pool 3, stride 2: 7 -> stride 2: 4 -> pool 2, stride 1: 3
    assert model.head.in_features == 8 * 3 * 3


def test_one_pooling_for_all_stands_between_the_blocks(build):
    model = build("cnn", (1, 28, 28), channels=[4, 4, 4])
    assert ["pool" in dict(block.named_children()) for block in model.features[:3]] == [True, True, False]


def test_dropout_is_on_the_inputs_of_each_dense_layer(build):
    model = build("cnn", (1, 8, 8), hidden=[5], dropout=0.5)
    assert [name for name, _ in model.features.named_children()][3:] == ["global_pool", "flatten", "dropout", "dense1"]
    assert [name for name, _ in model.features.dense1.named_children()] == ["linear", "act", "dropout"]


@pytest.mark.parametrize(
    ("shape", "changes", "message"),
    [
        (
            (1, 8, 8),
            {"channels": [4, 4, 4, 4, 4]},
            "block4: input 1x1 is smaller than its 2x2 max pool; the image shrank 8x8 -> 4x4 -> 2x2 -> 1x1; "
            "use fewer blocks, model.pooling=none there, or a larger dataset.image_size",
        ),
        (
            (1, 8, 6),
            {"padding": "valid", "kernel_size": 5},
            "block1: input 4x2 is smaller than its 5x5 convolution; the image shrank 8x6 -> 4x2; "
            "use fewer blocks, model.padding=same, or a larger dataset.image_size",
        ),
        (
            (1, 2),
            {"padding": "valid"},
            "block1: input 2 is smaller than its 3 convolution; "
            "use fewer blocks, model.padding=same, or a longer dataset.lookback",
        ),
        (
            (1, 16),
            {"padding": "valid", "dilation": [1, 4, 1], "convs_per_block": 1},
            "block2: input 7 is smaller than its 9 convolution of kernel 3 and dilation 4; the series shrank "
            "16 -> 14 -> 7; use fewer blocks, a smaller model.dilation, model.padding=same, "
            "or a longer dataset.lookback",
        ),
        (
            (1, 8, 8),
            {"dilation": [1, 2]},
            "model.dilation=[1, 2]: model.channels=[32, 64, 128] makes 3 blocks; "
            "give one value for all of them, or a list of 3",
        ),
        (
            (3, 32, 32),
            {"padding": "causal"},
            "model.padding=causal is for series, (channels, steps); samples of shape 3x32x32: use same or valid",
        ),
        (
            (1, 8, 8),
            {"channels": []},
            "model.channels=[]: cnn needs at least one block, for example model.channels=[32,64]",
        ),
        (
            (1, 8, 8),
            {"pooling": ["max", "none"]},
            "model.pooling=['max', 'none']: model.channels=[32, 64, 128] makes 3 blocks; "
            "give one value for all of them, or a list of 3",
        ),
        (
            (1, 8, 8),
            {"kernel_size": [3, 3, 4]},
            "model.kernel_size=4: padding 'same' needs an odd kernel; use 3 or 5, or padding 'valid'",
        ),
        (
            (5,),
            {},
            "samples of shape 5: a convolutional model needs 1, 2 or 3 dimensions after the channels, this has 0; "
            "model=mlp takes any shape",
        ),
    ],
)
def test_what_cannot_be_built_is_refused_in_a_sentence(build, shape, changes, message):
    with pytest.raises(ConfigError) as error:
        build("cnn", shape, **changes)
    assert str(error.value) == message


def test_the_initialisation_draws_the_variance_it_is_named_for(build):
    shape = (64, 8, 8)
    changes = {"channels": [256], "convs_per_block": 1, "batch_norm": "none"}
    fan_in, fan_out = 64 * 9, 256 * 9
    he = build("cnn", shape, init="he", **changes).features.block1.conv1
    xavier = build("cnn", shape, init="xavier", **changes).features.block1.conv1
    assert he.weight.var().item() == pytest.approx(2 / fan_in, rel=0.03)
    assert xavier.weight.var().item() == pytest.approx(2 / (fan_in + fan_out), rel=0.03)
    assert xavier.weight.abs().max().item() <= (6 / (fan_in + fan_out)) ** 0.5
    assert not he.bias.any()
    torch.manual_seed(0)
    plain = nn.Conv2d(64, 256, 3)
    assert torch.equal(build("cnn", shape, init="torch", **changes).features.block1.conv1.weight, plain.weight)


def assert_same_function(model: nn.Module, textbook: nn.Module, x: torch.Tensor) -> None:
    """With the same weights, both give the same outputs and the same gradients, in training mode."""
    weights = OrderedDict(zip(textbook.state_dict(), model.state_dict().values(), strict=True))
    textbook.load_state_dict(weights)
    outputs, expected = model(x), textbook(x)
    torch.testing.assert_close(outputs, expected)
    targets = torch.arange(len(x))
    nn.functional.cross_entropy(outputs, targets).backward()
    nn.functional.cross_entropy(expected, targets).backward()
    for parameter, other in zip(model.parameters(), textbook.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, other.grad)
