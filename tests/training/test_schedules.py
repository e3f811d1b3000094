"""Learning rates against torch's own schedulers: pytest tests/training/test_schedules.py"""

import json

import pytest
import torch
from torch.optim import lr_scheduler

from cnnrun.errors import ConfigError
from cnnrun.training import SCHEDULERS
from cnnrun.training.schedules import Plateau, Schedule, constant, cosine, onecycle, step

STEPS, PER_EPOCH = 60, 6


def of_torch(build, steps=STEPS):
    """The learning rate of each step, with a base of 1, of a torch scheduler stepped after each update."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler, rates = build(optimizer), []
    for i in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if i < steps - 1:
            scheduler.step()
    return rates


def factors(schedule, steps=STEPS):
    return [schedule.lr_factor(i) for i in range(steps)]


def plateau(**knobs):
    defaults = {"warmup_epochs": 0.0, "factor": 0.5, "patience": 3, "min_factor": 0.001}
    return Plateau(STEPS, PER_EPOCH, **(defaults | knobs))


EVERY = {
    "constant": lambda **knobs: constant(STEPS, PER_EPOCH, **knobs),
    "cosine": lambda **knobs: cosine(STEPS, PER_EPOCH, final_factor=0.1, **knobs),
    "onecycle": lambda **knobs: onecycle(STEPS, PER_EPOCH, rise=0.3, start_factor=0.04, final_factor=4e-6, **knobs),
    "plateau": plateau,
    "step": lambda **knobs: step(STEPS, PER_EPOCH, milestones=3, gamma=0.5, **knobs),
}


def test_every_schedule_is_tested_here():
    assert set(EVERY) == set(SCHEDULERS)


def test_constant_is_1():
    assert factors(constant(STEPS, PER_EPOCH, warmup_epochs=0.0)) == [1.0] * STEPS


@pytest.mark.parametrize("final_factor", [0.0, 0.1])
def test_cosine_is_torchs(final_factor):
    expected = of_torch(lambda o: lr_scheduler.CosineAnnealingLR(o, STEPS, eta_min=final_factor))
    assert factors(cosine(STEPS, PER_EPOCH, warmup_epochs=0.0, final_factor=final_factor)) == pytest.approx(expected)


def test_cosine_after_a_warm_up_is_torchs_over_the_steps_that_are_left():
    expected = of_torch(lambda o: lr_scheduler.CosineAnnealingLR(o, STEPS - 12), STEPS - 12)
    assert factors(cosine(STEPS, PER_EPOCH, warmup_epochs=2.0, final_factor=0.0))[12:] == pytest.approx(expected)


def test_steps_every_so_many_epochs_are_torchs():
    expected = of_torch(lambda o: lr_scheduler.StepLR(o, 3 * PER_EPOCH, 0.2))
    assert factors(step(STEPS, PER_EPOCH, warmup_epochs=0.0, milestones=3, gamma=0.2)) == pytest.approx(expected)


def test_steps_at_named_epochs_are_torchs():
    expected = of_torch(lambda o: lr_scheduler.MultiStepLR(o, [2 * PER_EPOCH, 7 * PER_EPOCH], 0.1))
    given = step(STEPS, PER_EPOCH, warmup_epochs=0.0, milestones=[2, 7], gamma=0.1)
    assert factors(given) == pytest.approx(expected)


@pytest.mark.parametrize(("steps", "rise"), [(60, 0.3), (7, 0.3), (100, 0.123), (2, 0.3), (1, 0.3)])
def test_onecycle_is_torchs(steps, rise):
    expected = of_torch(
        lambda o: lr_scheduler.OneCycleLR(
            o, 1.0, steps, pct_start=rise, div_factor=25, final_div_factor=1e4, cycle_momentum=False
        ),
        steps,
    )
    given = onecycle(steps, 1, warmup_epochs=0.0, rise=rise, start_factor=0.04, final_factor=0.04e-4)
    assert factors(given, steps) == pytest.approx(expected)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_onecycle_is_at_its_peak_where_the_rise_ends_on_a_step(steps):
    given = onecycle(10, 1, warmup_epochs=0.0, rise=steps / 10, start_factor=0.5, final_factor=0.0)
    assert given.lr_factor(steps - 1) == 1.0


def test_a_plateau_lowers_the_rate_as_torchs_does():
    observed = [0.5, 0.6, 0.6, 0.55, 0.6, 0.59, 0.7, 0.6, 0.6, 0.6, 0.1, 0.1, 0.1, float("nan"), 0.2]
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    expected = lr_scheduler.ReduceLROnPlateau(
        optimizer, mode="max", factor=0.5, patience=1, threshold=0.0, threshold_mode="abs", min_lr=0.2
    )
    given = plateau(patience=2, min_factor=0.2)
    for value in observed:
        expected.step(value)
        given.observe(value, higher_is_better=True)
        assert given.lr_factor(0) == optimizer.param_groups[0]["lr"]
    assert given.lr_factor(0) == 0.2


def test_a_plateau_of_a_loss_is_one_where_it_does_not_fall():
    given = plateau(patience=1)
    for value in (2.0, 1.0, 0.5):
        given.observe(value, higher_is_better=False)
    assert given.lr_factor(0) == 1.0
    given.observe(0.5, higher_is_better=False)
    assert given.lr_factor(0) == 0.5


def test_a_plateau_that_is_saved_as_json_goes_on_as_if_it_had_not_been():
    observed = [0.5, 0.4, 0.6, 0.6, 0.6, 0.6, 0.7, 0.1, 0.1, 0.1]
    for cut in range(len(observed)):
        whole, before, after = (plateau(patience=2) for _ in range(3))
        for value in observed[:cut]:
            before.observe(value, higher_is_better=True)
        after.load_state_dict(json.loads(json.dumps(before.state_dict())))
        for value in observed[cut:]:
            after.observe(value, higher_is_better=True)
        for value in observed:
            whole.observe(value, higher_is_better=True)
        assert after.state_dict() == whole.state_dict()
        assert after.lr_factor(0) == whole.lr_factor(0)


@pytest.mark.parametrize("build", EVERY.values(), ids=EVERY)
class TestEverySchedule:
    def test_it_stays_between_0_and_1(self, build):
        for warmup_epochs in (0.0, 2.0):
            assert all(0 <= factor <= 1 + 1e-12 for factor in factors(build(warmup_epochs=warmup_epochs)))

    def test_the_warm_up_is_linear_on_top_of_its_shape(self, build):
        # cosine waits for the end of the warm-up; the other shapes do not move with it.
        warm, cold = build(warmup_epochs=1.5), build(warmup_epochs=0.0)
        for i in range(9):
            shape = 1.0 if build is EVERY["cosine"] else cold.lr_factor(i)
            assert warm.lr_factor(i) == pytest.approx(shape * (i + 1) / 9)

    def test_a_warm_up_as_long_as_the_training_is_an_error(self, build):
        assert build(warmup_epochs=9.8).lr_factor(0) <= 1 / 59
        with pytest.raises(ConfigError) as caught:
            build(warmup_epochs=10.0)
        assert str(caught.value) == (
            "scheduler.warmup_epochs=10: the whole training has 10 epochs; the warm-up must be shorter"
        )

    def test_it_has_a_state_of_plain_json_values(self, build):
        schedule = build(warmup_epochs=0.0)
        assert isinstance(schedule, Schedule)
        assert json.loads(json.dumps(schedule.state_dict())) == schedule.state_dict()
        schedule.load_state_dict(schedule.state_dict())

    def test_steps_beyond_the_end_stay_at_the_last_value_or_below(self, build):
        schedule = build(warmup_epochs=0.0)
        assert 0 <= schedule.lr_factor(STEPS + 5) <= schedule.lr_factor(STEPS - 1)
