"""Learning rates of groups, and waiting parameters, over steps and a resume. `pytest tests/training/test_state.py`"""

import copy

import pytest
import torch
from torch import nn

from cnnrun.training.device import Compute
from cnnrun.training.optimizers import adam, parameter_groups, sgd
from cnnrun.training.schedules import cosine
from cnnrun.training.state import State

CPU = Compute(torch.device("cpu"), "fp32", channels_last=False, compile=False)
SCALES = {"0.weight": 0.25, "0.bias": 0.25, "2.weight": 0.5, "2.bias": 0.5}
STEPS = 6


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3), nn.Tanh(), nn.Linear(3, 2))


def state_of(kind="sgd"):
    model = network()
    groups = parameter_groups(model, SCALES)
    if kind == "sgd":
        optimizer = sgd(groups, lr=0.1, momentum=0.9, nesterov=False, weight_decay=0.01)
    else:
        optimizer = adam(groups, lr=0.01, betas=[0.9, 0.99], eps=1e-8, weight_decay=0.01)
    return State(model, optimizer, cosine(STEPS, 2, warmup_epochs=1.0, final_factor=0.1), CPU, 0.9)


def batch(step):
    generator = torch.Generator().manual_seed(step)
    return torch.randn(8, 4, generator=generator), torch.randint(2, (8,), generator=generator)


def train(state, steps):
    for step in steps:
        state.set_lr(step)
        inputs, targets = batch(step)
        nn.functional.cross_entropy(state.model(inputs), targets).backward()
        state.optimizer.step()
        state.optimizer.zero_grad(set_to_none=True)
        state.progress.updates += 1
        state.average.update(state.progress.updates)


def test_each_group_follows_its_share_of_the_schedule():
    state, twin = state_of(), network()
    scales = [SCALES.get(name, 1.0) for name, _ in twin.named_parameters()]
    plain = torch.optim.SGD([{"params": [p]} for p in twin.parameters()], lr=0.1, momentum=0.9, weight_decay=0.01)
    schedule = cosine(STEPS, 2, warmup_epochs=1.0, final_factor=0.1)
    for step in range(STEPS):
        for group, scale in zip(plain.param_groups, scales, strict=True):
            group["lr"] = 0.1 * schedule.lr_factor(step) * scale
        inputs, targets = batch(step)
        plain.zero_grad()
        nn.functional.cross_entropy(twin(inputs), targets).backward()
        plain.step()
    train(state, range(STEPS))
    for ours, theirs in zip(state.model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_the_first_group_has_the_learning_rate_of_the_head():
    state = state_of()
    state.set_lr(3)
    assert state.optimizer.param_groups[0]["lr"] == pytest.approx(0.1 * state.schedule.lr_factor(3))


@pytest.mark.parametrize("kind", ["sgd", "adam"])
def test_a_resume_goes_on_with_the_same_bytes_in_each_group(kind):
    whole, first, second = state_of(kind), state_of(kind), state_of(kind)
    train(whole, range(STEPS))
    train(first, range(3))
    second.load(first.tensors(), copy.deepcopy(first.values()))
    train(second, range(3, STEPS))
    for stem, named in whole.tensors().items():
        for name, value in named.items():
            assert torch.equal(value, second.tensors()[stem][name]), f"{stem} {name}"
