"""The multilayer perceptron against plain torch layers."""

import torch
from torch import nn


def test_the_mlp_is_its_linear_layers_with_activations_between(build):
    model = build("mlp", (1, 4, 4), num_outputs=3, hidden=[6, 5], activation="tanh")
    plain = nn.Sequential(nn.Flatten(), nn.Linear(16, 6), nn.Tanh(), nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))
    plain.load_state_dict(dict(zip(plain.state_dict(), model.state_dict().values(), strict=True)))
    x = torch.randn(2, 1, 4, 4)
    assert torch.equal(model(x), plain(x))


def test_without_hidden_layers_the_mlp_is_a_linear_classifier(build):
    model = build("mlp", (1, 4, 4), num_outputs=3, hidden=[], dropout=0.5)
    x = torch.randn(2, 1, 4, 4)
    assert torch.equal(model(x), model.head(x.flatten(1)))


def test_dropout_follows_each_hidden_activation_of_the_mlp(build):
    model = build("mlp", (1, 4, 4), hidden=[6, 5], dropout=0.5)
    assert [name for name, module in model.named_modules() if isinstance(module, nn.Dropout)] == [
        "features.dense1.dropout",
        "features.dense2.dropout",
    ]


def test_the_dnn_of_reference_002_has_the_parameters_of_128_64(build, count):
    assert count(build("reference_002_dnn", (1, 28, 28))) == 784 * 128 + 128 + 128 * 64 + 64 + 64 * 10 + 10
