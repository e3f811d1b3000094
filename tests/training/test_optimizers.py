"""Two steps of each optimizer against its written formula: pytest tests/training/test_optimizers.py"""

import subprocess
import sys

import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from cnnrun.errors import ConfigError
from cnnrun.training.optimizers import Betas, adam, adamw, parameter_groups, rmsprop, sgd

START = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)


def gradient(w):
    """Of sum(w⁴) / 4."""
    return w**3


def two_steps(build, **knobs):
    w = torch.nn.Parameter(START.clone())
    optimizer = build([w], **knobs)
    for _ in range(2):
        w.grad = gradient(w.detach())
        optimizer.step()
    return w.detach()


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_follows_its_formula(nesterov):
    w, velocity = START.clone(), torch.zeros(3, dtype=torch.float64)
    for _ in range(2):
        g = gradient(w) + 0.01 * w
        velocity = 0.9 * velocity + g
        w = w - 0.1 * (g + 0.9 * velocity if nesterov else velocity)
    torch.testing.assert_close(two_steps(sgd, lr=0.1, momentum=0.9, nesterov=nesterov, weight_decay=0.01), w)


def test_sgd_without_momentum_is_plain_descent():
    w = START - 0.1 * gradient(START)
    w = w - 0.1 * gradient(w)
    torch.testing.assert_close(two_steps(sgd, lr=0.1, momentum=0.0, nesterov=False, weight_decay=0.0), w)


@pytest.mark.parametrize(("build", "decoupled"), [(adam, False), (adamw, True)])
def test_adam_and_adamw_follow_their_formula(build, decoupled):
    w, mean, square = START.clone(), 0.0, 0.0
    for t in (1, 2):
        g = gradient(w)
        if decoupled:
            w = w - 0.1 * 0.05 * w
        else:
            g = g + 0.05 * w
        mean = 0.8 * mean + 0.2 * g
        square = 0.95 * square + 0.05 * g**2
        w = w - 0.1 * (mean / (1 - 0.8**t)) / ((square / (1 - 0.95**t)).sqrt() + 1e-6)
    torch.testing.assert_close(two_steps(build, lr=0.1, betas=[0.8, 0.95], eps=1e-6, weight_decay=0.05), w)


def test_rmsprop_follows_its_formula():
    w, square, velocity = START.clone(), 0.0, 0.0
    for _ in range(2):
        g = gradient(w) + 0.05 * w
        square = 0.9 * square + 0.1 * g**2
        velocity = 0.5 * velocity + g / (square**0.5 + 1e-6)
        w = w - 0.1 * velocity
    torch.testing.assert_close(two_steps(rmsprop, lr=0.1, alpha=0.9, momentum=0.5, eps=1e-6, weight_decay=0.05), w)


BUILDS = [
    lambda parameters: sgd(parameters, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.0),
    lambda parameters: adam(parameters, lr=0.1, betas=[0.9, 0.999], eps=1e-8, weight_decay=0.0),
    lambda parameters: adamw(parameters, lr=0.1, betas=[0.9, 0.999], eps=1e-8, weight_decay=0.0),
]


@pytest.mark.parametrize("build", BUILDS, ids=["sgd", "adam", "adamw"])
def test_one_kernel_updates_all_parameters_where_that_works(build):
    assert build(torch.nn.Linear(3, 2).parameters()).defaults["fused"]
    assert not build(torch.nn.Linear(3, 2, device="meta").parameters()).defaults["fused"]


@pytest.mark.parametrize("build", BUILDS, ids=["sgd", "adam", "adamw"])
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_takes_the_same_two_steps(build):
    assert build([torch.nn.Parameter(START.cuda())]).defaults["fused"]

    def on(device):
        w = torch.nn.Parameter(START.to(device))
        optimizer = build([w])
        for _ in range(2):
            w.grad = gradient(w.detach())
            optimizer.step()
        return w.detach().cpu()

    torch.testing.assert_close(on("cuda"), on("cpu"))


def test_nesterov_without_momentum_is_an_error_that_says_what_to_do():
    with pytest.raises(ConfigError) as caught:
        sgd([torch.nn.Parameter(START)], lr=0.1, momentum=0.0, nesterov=True, weight_decay=0.0)
    assert str(caught.value) == (
        "optimizer.nesterov=true: looks ahead along the momentum, and optimizer.momentum is 0; "
        "set optimizer.momentum=0.9 or optimizer.nesterov=false"
    )


@pytest.mark.parametrize("betas", [[0.9], [0.9, 0.99, 0.999], [0.9, 1.0], [-0.1, 0.9], 0.9])
def test_betas_are_two_numbers_below_1(betas):
    assert TypeAdapter(Betas).validate_python([0.0, 0.999], strict=True) == [0.0, 0.999]
    with pytest.raises(ValidationError):
        TypeAdapter(Betas).validate_python(betas, strict=True)


TORCHS = [(adam, torch.optim.Adam), (adamw, torch.optim.AdamW)]


@pytest.mark.parametrize(("build", "theirs"), TORCHS, ids=["adam", "adamw"])
def test_an_optimizer_without_the_compiler_does_the_same_as_torchs_own(build, theirs):
    ours = two_steps(build, lr=0.1, betas=[0.9, 0.999], eps=1e-8, weight_decay=0.01)
    plain = two_steps(lambda parameters: theirs(parameters, 0.1, weight_decay=0.01, fused=True))
    assert torch.equal(ours, plain)


TRAINS = """
import sys, torch
from cnnrun.training import optimizers
w = torch.nn.Parameter(torch.ones(3))
optimizer = optimizers.adam([w], lr=0.1, betas=[0.9, 0.999], eps=1e-8, weight_decay=0.0)
(w**2).sum().backward()
optimizer.step()
optimizer.zero_grad()
optimizer.load_state_dict(optimizer.state_dict())
sys.exit("torch._dynamo" in sys.modules)
"""


def test_training_does_not_import_the_compiler():
    subprocess.run([sys.executable, "-c", TRAINS], check=True, timeout=60)


def test_parameters_of_one_factor_are_one_group_the_head_first():
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 2), torch.nn.Linear(2, 1))
    model[0].bias.requires_grad_(False)
    groups = parameter_groups(model, {"0.weight": 0.25, "1.weight": 0.5, "1.bias": 0.5})
    scales = [(group["lr_scale"], [id(parameter) for parameter in group["params"]]) for group in groups]
    assert scales == [
        (1.0, [id(model[2].weight), id(model[2].bias)]),
        (0.5, [id(model[1].weight), id(model[1].bias)]),
        (0.25, [id(model[0].weight)]),
    ]
    plain = parameter_groups(model)
    trains = [id(parameter) for parameter in model.parameters() if parameter.requires_grad]
    assert [[id(parameter) for parameter in group["params"]] for group in plain] == [trains]


@pytest.mark.parametrize("build", BUILDS, ids=["sgd", "adam", "adamw"])
def test_groups_are_updated_by_one_kernel_too(build):
    assert build(parameter_groups(torch.nn.Linear(3, 2), {"bias": 0.5})).defaults["fused"]
