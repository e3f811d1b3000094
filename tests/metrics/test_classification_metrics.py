"""Every headline metric against scikit-learn or arithmetic by hand: pytest tests/metrics"""

import numpy as np
import pytest
import scipy.special
from sklearn import metrics as oracle

from cnnrun.metrics.classification import METRICS, TOP5_NEEDS, f1_scores, precisions, recalls
from cnnrun.metrics.sums import NUM_BINS, Samples, log_softmax, unpack

ORACLES = {
    "accuracy": lambda y, p: oracle.accuracy_score(y, p.argmax(1)),
    "balanced_accuracy": lambda y, p: oracle.balanced_accuracy_score(y, p.argmax(1)),
    "top5_accuracy": lambda y, p: oracle.top_k_accuracy_score(y, p, k=5, labels=range(p.shape[1])),
    "precision_macro": lambda y, p: oracle.precision_score(y, p.argmax(1), average="macro", zero_division=0),
    "recall_macro": lambda y, p: oracle.recall_score(y, p.argmax(1), average="macro", zero_division=0),
    "f1_macro": lambda y, p: oracle.f1_score(y, p.argmax(1), average="macro", zero_division=0),
    "precision_weighted": lambda y, p: oracle.precision_score(y, p.argmax(1), average="weighted", zero_division=0),
    "recall_weighted": lambda y, p: oracle.recall_score(y, p.argmax(1), average="weighted", zero_division=0),
    "f1_weighted": lambda y, p: oracle.f1_score(y, p.argmax(1), average="weighted", zero_division=0),
    "log_loss": lambda y, p: oracle.log_loss(y, p, labels=range(p.shape[1])),
    "calibration_error": lambda y, p: calibration_error_by_definition(y, p),
}


def calibration_error_by_definition(targets, probabilities):
    confidences, correct = probabilities.max(1), probabilities.argmax(1) == targets
    error = 0.0
    for i in range(NUM_BINS):
        inside = (confidences > i / NUM_BINS) & (confidences <= (i + 1) / NUM_BINS)
        if inside.any():
            error += inside.mean() * abs(correct[inside].mean() - confidences[inside].mean())
    return error


def example(n=400, num_classes=12, used=None, seed=0):
    """Outputs (n, num_classes) of a mediocre classifier, and targets among the first `used` classes."""
    generator = np.random.default_rng(seed)
    targets = generator.integers(used or num_classes, size=n)
    outputs = generator.normal(size=(n, num_classes)).astype(np.float32)
    outputs[np.arange(n), targets] += 1.5
    return outputs, targets


def measure(name, outputs, targets):
    return float(METRICS[name](Samples.of(log_softmax(outputs), targets).total()))


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@pytest.mark.parametrize("used", [12, 9], ids=["all classes occur", "three classes have no sample"])
@pytest.mark.parametrize("name", METRICS)
def test_each_metric_agrees_with_its_oracle(name, used):
    outputs, targets = example(used=used)
    expected = ORACLES[name](targets, np.exp(log_softmax(outputs)))
    assert measure(name, outputs, targets) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", METRICS)
def test_the_order_of_samples_does_not_change_a_metric(name):
    outputs, targets = example()
    order = np.random.default_rng(1).permutation(len(targets))
    assert measure(name, outputs[order], targets[order]) == pytest.approx(measure(name, outputs, targets), abs=1e-12)


def test_a_class_that_occurs_nowhere_is_left_out_of_macro_means():
    outputs = np.array([[2.0, 0, -9], [2, 0, -9], [0, 2, -9]])
    assert measure("f1_macro", outputs, np.array([0, 0, 1])) == 1


def test_per_class_shares_of_nothing_are_zero():
    # Class 1 is never predicted, class 2 has no sample.
    sums = Samples.of(log_softmax(np.array([[1.0, 0, 0], [1, 0, 0], [0, 0, 1]])), np.array([0, 1, 1])).total()
    assert precisions(sums).tolist() == [0.5, 0, 0]
    assert recalls(sums).tolist() == [1, 0, 0]
    assert f1_scores(sums).tolist() == pytest.approx([2 / 3, 0, 0])


def test_top5_means_nothing_below_ten_classes():
    assert TOP5_NEEDS == 10
    assert np.isnan(measure("top5_accuracy", *example(num_classes=9)))
    assert not np.isnan(measure("top5_accuracy", *example(num_classes=10)))


def test_a_classifier_that_always_answers_alike_gets_no_top5_for_free():
    targets = np.arange(20)
    assert measure("top5_accuracy", np.zeros((20, 20)), targets) == 5 / 20
    assert measure("accuracy", np.zeros((20, 20)), targets) == 1 / 20


def test_a_huge_output_gives_a_finite_log_loss():
    assert measure("log_loss", np.array([[1000.0, 0], [1000, 0]]), np.array([0, 1])) == 500


def test_bins_are_closed_above():
    confidences = np.array([1 / NUM_BINS, 1 / NUM_BINS + 1e-9, 0.5, 1.0, 1 + 1e-16])
    samples = Samples(2, *(np.zeros(5, dtype=int),) * 2, confidences, *(np.zeros(5),) * 2)
    assert samples.bins.tolist() == [0, 1, 7, NUM_BINS - 1, NUM_BINS - 1]


def test_the_columns_of_the_samples_add_up_to_the_sums():
    samples = Samples.of(log_softmax(example()[0]), example()[1])
    total, unpacked = samples.total(), unpack(samples.columns().sum(axis=0, keepdims=True), 400, 12)
    for name, expected in vars(total).items():
        np.testing.assert_allclose(vars(unpacked)[name][0], expected, rtol=1e-5, atol=1e-5)


def test_log_probabilities_agree_with_scipy():
    outputs = example()[0] * 50
    expected = scipy.special.log_softmax(outputs.astype(np.float64), axis=1)
    np.testing.assert_allclose(log_softmax(outputs), expected, atol=1e-12)
