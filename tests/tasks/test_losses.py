"""The losses against plain torch and their written formulas: pytest tests/tasks"""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.utils.class_weight import compute_class_weight

from cnnrun.tasks.losses import balanced_weights, cross_entropy, focal_loss

OUTPUTS = torch.randn(8, 5, generator=torch.Generator().manual_seed(0)) * 3
HARD = torch.tensor([0, 1, 2, 3, 4, 0, 1, 2])
SOFT = 0.7 * F.one_hot(HARD, 5) + 0.3 * F.one_hot(HARD.flip(0), 5)
WEIGHTS = torch.tensor([0.5, 2.0, 1.0, 0.0, 1.5])


def by_formula(outputs, targets, weights, smoothing, gamma=0.0):
    """Float64, term by term."""
    p = outputs.double().softmax(1)
    total = 0.0
    for n in range(len(outputs)):
        for k in range(outputs.shape[1]):
            target = float(targets[n] == k) if targets.ndim == 1 else float(targets[n, k])
            q = (1 - smoothing) * target + smoothing / outputs.shape[1]
            w = 1.0 if weights is None else float(weights[k])
            total -= w * q * float(1 - p[n, k]) ** gamma * float(p[n, k].log())
    return total


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["no weights", "weights"])
@pytest.mark.parametrize("targets", [HARD, SOFT], ids=["hard", "soft"])
class TestEveryCombination:
    def test_the_cross_entropy_is_the_sum_of_its_formula(self, targets, weights, smoothing):
        expected = by_formula(OUTPUTS, targets, weights, smoothing)
        assert cross_entropy(OUTPUTS, targets, weights, smoothing).item() == pytest.approx(expected, rel=1e-5)

    @pytest.mark.parametrize("gamma", [0.5, 2.0])
    def test_the_focal_loss_is_the_sum_of_its_formula(self, targets, weights, smoothing, gamma):
        expected = by_formula(OUTPUTS, targets, weights, smoothing, gamma)
        assert focal_loss(OUTPUTS, targets, weights, smoothing, gamma).item() == pytest.approx(expected, rel=1e-5)

    def test_a_focal_loss_with_gamma_0_is_the_cross_entropy(self, targets, weights, smoothing):
        expected = cross_entropy(OUTPUTS, targets, weights, smoothing).item()
        assert focal_loss(OUTPUTS, targets, weights, smoothing, 0.0).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_the_focal_loss_has_a_finite_gradient_where_the_network_is_certain(gamma):
    outputs = torch.tensor([[200.0, -200.0], [-200.0, 200.0]], requires_grad=True)
    focal_loss(outputs, torch.tensor([0, 0]), None, 0.1, gamma).backward()
    assert outputs.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_low_precision_outputs_are_summed_in_float32(dtype):
    outputs, targets = OUTPUTS.to(dtype).repeat(1000, 1), HARD.repeat(1000)
    for loss in (cross_entropy(outputs, targets, None, 0.0), focal_loss(outputs, targets, None, 0.0, 2.0)):
        assert loss.dtype == torch.float32
    expected = by_formula(OUTPUTS.to(dtype), HARD, None, 0.0) * 1000
    assert cross_entropy(outputs, targets, None, 0.0).item() == pytest.approx(expected, rel=1e-4)


def test_an_empty_share_of_a_batch_costs_nothing_and_has_a_gradient():
    outputs = torch.zeros(0, 5, requires_grad=True)
    for loss in (
        cross_entropy(outputs, torch.zeros(0, dtype=torch.int64), None, 0.0),
        focal_loss(outputs, torch.zeros(0, dtype=torch.int64), None, 0.0, 2.0),
    ):
        loss.backward()
        assert loss.item() == 0


def test_balanced_weights_are_scikit_learns():
    targets = torch.tensor([0] * 10 + [1] * 30 + [2] * 60)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=targets.numpy())
    torch.testing.assert_close(balanced_weights(targets.bincount()), torch.tensor(expected, dtype=torch.float32))


def test_balanced_weights_have_mean_1_over_train_and_are_1_for_an_absent_class():
    counts = torch.tensor([10, 0, 30])
    weights = balanced_weights(counts)
    assert (weights * counts).sum() / counts.sum() == pytest.approx(1)
    assert weights[1] == 1
    assert weights[0] == pytest.approx(3 * weights[2].item())
