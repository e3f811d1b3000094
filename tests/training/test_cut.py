"""Where networks are cut, against their own forward; `-m slow` for real networks.

`pytest tests/training/test_cut.py`
"""

import copy
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cnnrun.training.cut import find_cut


def freeze(model, *trained):
    """Let only what begins with one of the names train; what is frozen stays in eval."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name.startswith(trained)
    frozen = [
        module
        for module in model.modules()
        if any(True for _ in module.parameters()) and not any(p.requires_grad for p in module.parameters())
    ]
    plain_train = model.train

    def train(mode=True):
        plain_train(mode)
        for module in frozen:
            for inner in module.modules():
                inner.training = False
        return model

    model.train = train
    return model


def block(inputs, outputs):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


class Residual(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.first = block(channels, channels)
        self.second = nn.Conv2d(channels, channels, 1)

    def forward(self, x):
        return x + self.second(self.first(x))


class Net(nn.Module):
    """With functional code before, between and after its modules."""

    def __init__(self):
        super().__init__()
        self.stem = block(3, 8)
        self.stages = nn.Sequential(Residual(8), Residual(8), Residual(8))
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(8, 4))

    def forward(self, x):
        x = self.stages(self.stem(x[:, [2, 1, 0]]))
        return self.head(F.adaptive_avg_pool2d(x, 1).flatten(1))


class Apart(nn.Module):
    """Two ways that meet only at the end."""

    def __init__(self):
        super().__init__()
        self.left, self.right = block(3, 4), block(3, 4)
        self.more = block(4, 4)
        self.head = nn.Linear(4, 4)

    def forward(self, x):
        return self.head((self.more(self.left(x)) + self.right(x)).mean((2, 3)))


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def sample(num_samples=2):
    return torch.randn(num_samples, 3, 10, 10)


def settled(model):
    """With statistics of batch normalisation that are not 0 and 1."""
    model.train()
    with torch.no_grad():
        for _ in range(3):
            model(sample(8))
    return model.eval()


@pytest.mark.parametrize(
    ("trained", "place"),
    [
        (("head",), "before head"),
        (("stages.2", "head"), "after stages.1"),
        (("stages.1.second", "head"), "after stages.0"),
        (("stages.0.second", "head"), "after stem"),
        (("stages",), "after stem"),
    ],
)
def test_the_cut_is_the_last_point_before_training_that_all_data_pass_through(trained, place):
    model = freeze(settled(Net()), *trained)
    cut, why = find_cut(model, sample())
    assert (cut.place, why) == (place, "")
    x = sample(5)
    with torch.no_grad():
        assert torch.equal(cut.tail(model).eval()(cut.head(model)(x)), model.eval()(x))


def test_without_frozen_weights_there_is_nothing_to_say():
    assert find_cut(Net(), sample()) == (None, "")


def test_a_cut_before_nearly_all_of_the_work_is_not_worth_it():
    model = nn.Sequential(nn.Linear(4, 2), nn.Linear(2, 200), nn.Linear(200, 3))
    assert find_cut(freeze(model, "1", "2"), torch.randn(2, 4)) == (
        None,
        "1% of the multiply-adds come before 1, which trains",
    )


@pytest.mark.parametrize(
    ("make", "trained", "why"),
    [
        (Net, ("stem.0",), "nothing is frozen before stem.0, which trains"),
        (Apart, ("more", "head"), "there is no point before more.0, which trains, that all data pass through"),
    ],
)
def test_where_there_is_no_cut_a_sentence_says_why(make, trained, why):
    assert find_cut(freeze(make(), *trained), sample()) == (None, why)


def test_a_forward_that_leaves_no_gradient_is_left_alone():
    class Closed(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.head = nn.Linear(3, 3), nn.Linear(3, 2)

        def forward(self, x):
            return torch.from_numpy(self.head(self.first(x)).numpy())

    cut, why = find_cut(freeze(Closed(), "head"), torch.randn(2, 3))
    assert cut is None
    assert why.startswith("its forward cannot be watched (Can't call numpy() on Tensor that requires grad")


def test_frozen_weights_whose_statistics_still_move_are_no_part_of_what_is_before():
    model = settled(Net())
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name.startswith("head")
    before = copy.deepcopy(model.state_dict())
    assert find_cut(model, sample())[0].place == "after stem.0"
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(module.training for module in model.modules())


def test_chance_that_no_module_tells_of_is_found_out():
    class Shaken(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(3, 3)

        def forward(self, x):
            return self.linear(F.dropout(x, 0.5, self.training))

    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            self.shaken, self.head = Shaken(), nn.Linear(3, 2)

        def forward(self, x):
            return self.head(self.shaken(x))

    model = Whole()
    model.shaken.requires_grad_(False)
    assert find_cut(model, torch.randn(2, 3))[0] is None
    model.train = lambda mode=True: (nn.Module.train(model, mode), model.shaken.eval())[0]
    assert find_cut(model, torch.randn(2, 3))[0].place == "after shaken"


def test_layers_that_train_in_a_later_epoch_are_after_the_cut():
    model = freeze(settled(Net()), "head")
    cut, _ = find_cut(model, sample(), ever_trains=lambda name: name.startswith(("stages.2", "head")))
    assert cut.place == "after stages.1"


def test_a_module_that_works_in_place_does_not_change_the_activations():
    class Late(nn.Module):
        def __init__(self):
            super().__init__()
            self.features, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

        def forward(self, x):
            return self.head(F.adaptive_avg_pool2d(F.relu(self.features(x), inplace=True), 1).flatten(1))

    model = freeze(Late(), "head")
    cut, _ = find_cut(model, sample())
    assert (cut.place, cut.copies) == ("after features", True)
    activations = cut.head(model)(sample()).detach()
    kept = activations.clone()
    cut.tail(model)(activations)
    assert torch.equal(activations, kept)


def test_the_tail_trains_the_models_own_weights_as_the_model_would():
    model = freeze(settled(Net()), "stages.2", "head")
    twin = copy.deepcopy(model)
    cut, _ = find_cut(model, sample())
    x, y = sample(6), torch.arange(6) % 4
    activations = cut.head(model.eval())(x).detach()
    tail = cut.tail(model).train()
    assert tail.training
    assert model.head.training
    assert not model.stem.training
    ours = {id(parameter) for parameter in tail.parameters() if parameter.requires_grad}
    assert ours == {id(parameter) for parameter in model.parameters() if parameter.requires_grad}
    torch.manual_seed(1)
    F.cross_entropy(tail(activations), y).backward()
    twin.train = lambda mode=True: nn.Module.train(twin, mode)
    twin.eval()
    twin.stages[2].train()
    twin.head.train()
    torch.manual_seed(1)
    F.cross_entropy(twin(x), y).backward()
    for (name, ours), theirs in zip(model.named_parameters(), twin.parameters(), strict=True):
        assert (ours.grad is None) == (theirs.grad is None), name
        if ours.grad is not None:
            torch.testing.assert_close(ours.grad, theirs.grad, msg=name)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, twin.state_dict()[name], msg=name)
    assert list(model.state_dict()) == list(twin.state_dict())


def test_nothing_is_kept_for_a_backward_that_never_comes():
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(saved.append, lambda _: None):
        cut, _ = find_cut(freeze(settled(Net()), "head"), sample())
    assert cut is not None
    assert saved == []


def test_a_cut_serves_a_copy_of_the_model():
    model = freeze(settled(Net()), "head")
    cut, _ = find_cut(model, sample())
    twin = copy.deepcopy(model)
    with torch.no_grad():
        twin.head[1].weight.mul_(2)
        twin.head[1].bias.mul_(2)
        activations = cut.head(model)(sample(3))
        torch.testing.assert_close(cut.tail(twin).eval()(activations), 2 * cut.tail(model).eval()(activations))


def test_a_share_without_samples_passes():
    model = freeze(settled(Net()), "head")
    cut, _ = find_cut(model, sample())
    assert cut.tail(model).eval()(torch.zeros(0, 8)).shape == (0, 4)


REAL = [
    ("mobilenet_v2", ("classifier",), 96, "before classifier"),
    ("mobilenet_v2", ("features.12.conv.3", "features.13", "features.18", "classifier"), 96, "after features.11"),
    ("resnet18", ("layer4.1.bn2", "fc"), 64, "after layer4.0"),
    ("densenet121", ("features.denseblock4", "classifier"), 64, "after features.transition3"),
    ("vit_b_32", ("encoder.layers.encoder_layer_11", "heads"), 224, "after encoder.layers.encoder_layer_10"),
    ("swin_t", ("features.7", "norm", "head"), 64, "after features.6"),
    ("inception_v3", ("Mixed_7c", "fc"), 128, "after Mixed_7b"),
    ("squeezenet1_1", ("classifier",), 64, "after features"),
    ("shufflenet_v2_x1_0", ("fc",), 64, "before fc"),
    ("efficientnet_b0", ("features.8", "classifier"), 64, "after features.7"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "trained", "size", "place"), REAL)
def test_real_networks_are_cut_without_knowing_them(name, trained, size, place):
    from torchvision import models

    options = {"aux_logits": False, "transform_input": True, "init_weights": False} if name == "inception_v3" else {}
    model = freeze(models.get_model(name, weights=None, **options).eval(), *trained)
    cut, why = find_cut(model, torch.randn(2, 3, size, size))
    assert (cut and cut.place, why) == (place, "")
    x = torch.randn(3, 3, size, size)
    with torch.no_grad():
        apart = cut.tail(model, blank=math.nan).eval()(cut.head(model)(x))
        torch.testing.assert_close(apart, model(x), rtol=1e-5, atol=1e-5)
