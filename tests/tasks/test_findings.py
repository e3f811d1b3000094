"""Dead runs are named, and only they: pytest tests/tasks"""

import math

import pytest
import torch

from cnnrun.tasks.classification import Classification

NAMES = tuple("0123456789")
TARGETS = torch.arange(10).repeat(100)
NO_BETTER_THAN_CHANCE = torch.nn.functional.one_hot(torch.arange(10).repeat_interleave(100), 10).float()


def on_train(low):
    """The rows of the train split, as far as they are read here."""
    return [{"split": "train", "metric": "accuracy", "value": low + 0.02, "low": low, "high": low + 0.04, "n": 1000}]


BY_CHANCE = on_train(0.08)


def task(counts=(100,) * 10, **knobs):
    defaults = {"monitor": "accuracy", "label_smoothing": 0.0, "class_weights": "none", "focal_gamma": 0.0}
    return Classification(NAMES, torch.tensor(counts), **(defaults | knobs))


def outputs(signal):
    given = torch.randn(1000, 10, generator=torch.Generator().manual_seed(0))
    given[torch.arange(1000), TARGETS] += signal
    return given


def test_a_run_that_learned_has_no_finding():
    assert task().findings(outputs(3.0), TARGETS, [2.2, 1.0], BY_CHANCE) == []


def test_one_predicted_class_is_named():
    always_three = torch.nn.functional.one_hot(torch.full((1000,), 3), 10).float()
    assert task().findings(always_three, TARGETS, [2.3, 1.9], BY_CHANCE) == [
        "one class predicted: all 1,000 samples of val are called '3'; val/accuracy 0.100 is the share of that class"
    ]


def test_one_predicted_class_is_right_where_val_has_no_other():
    assert task().findings(outputs(30.0)[::10], TARGETS[::10], [0.1], BY_CHANCE) == []


def test_a_loss_at_ln_of_the_classes_is_named():
    assert task().findings(NO_BETTER_THAN_CHANCE, TARGETS, [2.4, 2.303], BY_CHANCE) == [
        "learned nothing: train/loss 2.303 is close to 2.303 (ln 10), the loss of equal guesses among 10 classes, and "
        "val/accuracy 0.100 is no better than always naming the most frequent class (0.100); another optimizer.lr, "
        "mostly a smaller one, or more epochs may help"
    ]


def test_a_loss_above_ln_of_the_classes_is_named():
    (sentence,) = task().findings(NO_BETTER_THAN_CHANCE, TARGETS, [7.5], BY_CHANCE)
    assert sentence.startswith("learned nothing: train/loss 7.500 is above 2.303 (ln 10), the loss of equal guesses")


def test_a_few_samples_on_which_it_is_better_leave_it_open():
    targets, predictions = torch.arange(10), torch.tensor([0, 1, 3, 4, 5, 6, 7, 8, 9, 2])
    (sentence,) = task().findings(torch.nn.functional.one_hot(predictions, 10).float(), targets, [7.5], BY_CHANCE)
    assert sentence.startswith("may have learned nothing: train/loss 7.500 is above 2.303 (ln 10)")
    assert "val/accuracy 0.200 is hardly better, for 10 samples, than always naming the most frequent class" in sentence


@pytest.mark.parametrize(("share", "named"), [(0.99, True), (0.97, False)])
def test_the_loss_counts_as_stuck_from_98_percent_of_ln_of_the_classes(share, named):
    assert bool(task().findings(NO_BETTER_THAN_CHANCE, TARGETS, [share * math.log(10)], BY_CHANCE)) is named


def test_a_high_loss_is_no_finding_where_val_is_better_than_chance():
    assert task().findings(outputs(1.0), TARGETS, [2.303], BY_CHANCE) == []


def test_a_high_mean_loss_is_no_finding_where_train_is_better_than_chance_by_now():
    """After one epoch of few samples, of which most were seen by a network that knew nothing yet."""
    assert task().findings(NO_BETTER_THAN_CHANCE, TARGETS, [2.4], on_train(0.11)) == []
    assert task().findings(NO_BETTER_THAN_CHANCE, TARGETS, [2.4], on_train(0.1)) != []
    mostly_nine = task(counts=(10,) * 9 + (910,))
    assert mostly_nine.findings(NO_BETTER_THAN_CHANCE, TARGETS, [2.4], on_train(0.9)) != []


def test_a_run_without_training_has_no_stuck_loss():
    assert task().findings(NO_BETTER_THAN_CHANCE, TARGETS, [], BY_CHANCE) == []


def test_the_loss_of_guesses_includes_focal_loss_and_weights():
    guess = 0.9**2 * math.log(10)
    (sentence,) = task(focal_gamma=2.0).findings(NO_BETTER_THAN_CHANCE, TARGETS, [guess], BY_CHANCE)
    assert f"train/loss {guess:.3f} is close to {guess:.3f}, the loss of equal guesses" in sentence
    (sentence,) = task(counts=(10,) * 9 + (910,), class_weights="balanced").findings(
        NO_BETTER_THAN_CHANCE, TARGETS, [2.303], BY_CHANCE
    )
    assert "is close to 2.303 (ln 10), the" in sentence


def gap(value, low):
    return {"split": "val", "metric": "accuracy_gap", "value": value, "low": low, "high": 1.0, "n": 100}


def test_over_fitting_is_noted_where_the_gap_is_beyond_its_bound_by_more_than_noise():
    assert task().notes(gap(0.213, 0.19)) == [
        "over-fitted: at best, the accuracy on train is 0.213 above that on val; more data, augmentation "
        "(augment=...), dropout or weight decay may help"
    ]
    assert task().notes(gap(0.06, 0.051)) != []
    assert task().notes(gap(0.08, 0.05)) == []
    assert task().notes(gap(0.08, -0.01)) == []
