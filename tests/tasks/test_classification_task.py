"""What a classifier's outputs are turned into: pytest tests/tasks"""

import io

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn import metrics as oracle
from sklearn.calibration import calibration_curve

from cnnrun import tables
from cnnrun.metrics.sums import NUM_BINS
from cnnrun.tasks.classification import Classification

NAMES = ("ant", "bee", "cat")
DEFAULTS = {"monitor": "accuracy", "label_smoothing": 0.0, "class_weights": "none", "focal_gamma": 0.0}


def task(class_names=NAMES, class_counts=None, **knobs):
    counts = torch.full((len(class_names),), 5) if class_counts is None else torch.tensor(class_counts)
    return Classification(tuple(class_names), counts, **(DEFAULTS | knobs))


def example(n=200, num_classes=3, signal=2.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    targets = torch.randint(num_classes, (n,), generator=generator)
    outputs = torch.randn(n, num_classes, generator=generator)
    outputs[torch.arange(n), targets] += signal
    return outputs, targets


class TestTraining:
    @pytest.mark.parametrize("focal_gamma", [0.0, 2.0])
    def test_the_losses_of_two_halves_add_up(self, focal_gamma):
        outputs, targets = example()
        judge = task(focal_gamma=focal_gamma, label_smoothing=0.1, class_weights="balanced", class_counts=[5, 9, 2])
        halves = judge.loss(outputs[:70], targets[:70]) + judge.loss(outputs[70:], targets[70:])
        torch.testing.assert_close(halves, judge.loss(outputs, targets))

    def test_balanced_weights_count_each_class_alike(self):
        judge = task(class_weights="balanced", class_counts=[10, 30, 60]).to(torch.device("cpu"))
        losses = [judge.loss(torch.zeros(1, 3), torch.tensor([k])).item() * n for k, n in enumerate([10, 30, 60])]
        assert losses == pytest.approx([np.log(3) * 100 / 3] * 3)

    def test_correct_answers_are_counted(self):
        outputs, targets = example()
        expected = oracle.accuracy_score(targets, outputs.argmax(1), normalize=False)
        assert task().correct(outputs, targets).item() == expected

    def test_of_a_mixed_sample_the_larger_part_must_be_answered(self):
        mixed = torch.tensor([[0.6, 0.4, 0.0], [0.2, 0.0, 0.8]])
        assert task().correct(torch.tensor([[9.0, 0, 0], [9, 0, 0]]), mixed).item() == 1


class TestEpochMetrics:
    def test_they_agree_with_plain_torch_and_scikit_learn(self):
        outputs, targets = example()
        predictions = outputs.argmax(1)
        assert task().epoch_metrics(outputs, targets) == pytest.approx(
            {
                "loss": torch.nn.functional.cross_entropy(outputs, targets).item(),
                "accuracy": oracle.accuracy_score(targets, predictions),
                "balanced_accuracy": oracle.balanced_accuracy_score(targets, predictions),
                "f1_macro": oracle.f1_score(targets, predictions, average="macro"),
            },
            rel=1e-5,
        )

    @pytest.mark.parametrize("monitor", ["accuracy", "loss", "balanced_accuracy", "f1_macro"])
    def test_each_monitor_is_among_them_and_knows_its_direction(self, monitor):
        judge = task(monitor=monitor)
        good, bad = (judge.epoch_metrics(*example(signal=signal))[monitor] for signal in (3.0, 0.5))
        assert (good > bad) is judge.higher_is_better

    def test_the_loss_is_the_one_that_trains(self):
        judge = task(label_smoothing=0.2, focal_gamma=1.0)
        outputs, targets = example()
        expected = judge.loss(outputs, targets).item() / len(targets)
        assert judge.epoch_metrics(outputs, targets)["loss"] == pytest.approx(expected)


class TestResults:
    def test_each_row_has_the_columns_of_the_table(self):
        rows = task().results(*example(), "test")
        assert all(list(row) == tables.RESULTS.names for row in rows)
        assert {row["split"] for row in rows} == {"test"}
        assert {row["n"] for row in rows} == {200}

    def test_they_repeat_what_the_epoch_said(self):
        values = {row["metric"]: row["value"] for row in task().results(*example(), "val")}
        epoch = task().epoch_metrics(*example())
        assert {name: values[name] for name in epoch if name != "loss"} == {
            name: value for name, value in epoch.items() if name != "loss"
        }
        assert values["log_loss"] == pytest.approx(epoch["loss"], rel=1e-5)

    def test_the_gap_is_train_minus_val(self):
        train, val = task().results(*example(500, signal=4.0), "train"), task().results(*example(), "val")
        gap = task().gap(train, val)
        assert list(gap) == tables.RESULTS.names
        assert (gap["split"], gap["metric"], gap["n"]) == ("val", "accuracy_gap", 200)
        assert gap["value"] == train[0]["value"] - val[0]["value"]
        assert gap["low"] < gap["value"] < gap["high"]


class TestTables:
    def test_each_has_the_columns_of_its_table(self):
        made = task().tables(*example(), ids=[f"val-{i}" for i in range(200)])
        assert list(made["per_class"]) == tables.PER_CLASS.names
        assert list(made["confusion"]) == [*tables.CONFUSION.names, *NAMES]
        assert list(made["predictions"]) == [*tables.PREDICTIONS.names, "p/ant", "p/bee", "p/cat"]
        assert list(made["calibration"]) == tables.CALIBRATION.names

    def test_the_per_class_table_is_scikit_learns(self):
        outputs, targets = example()
        table = task().tables(outputs, targets, range(200))["per_class"]
        precision, recall, f1, support = oracle.precision_recall_fscore_support(targets, outputs.argmax(1))
        assert table["class"].tolist() == list(NAMES)
        assert table["support"].tolist() == support.tolist()
        assert table["predicted"].tolist() == outputs.argmax(1).bincount().tolist()
        for name, expected in (("precision", precision), ("recall", recall), ("f1", f1)):
            np.testing.assert_allclose(table[name], expected)

    def test_the_confusion_matrix_is_scikit_learns_with_targets_as_rows(self):
        outputs, targets = example()
        table = task().tables(outputs, targets, range(200))["confusion"]
        assert table["target"].tolist() == list(NAMES)
        assert (table[list(NAMES)].to_numpy() == oracle.confusion_matrix(targets, outputs.argmax(1))).all()

    def test_a_class_may_be_called_like_a_column(self):
        table = task(class_names=("target", "id", "n")).tables(*example(), range(200))["confusion"]
        assert list(table) == ["target", "target", "id", "n"]

    def test_a_prediction_can_be_traced_and_adds_up(self):
        outputs, targets = example()
        table = task().tables(outputs, targets, [f"file-{i}.png" for i in range(200)])["predictions"]
        assert table["id"].tolist() == [f"file-{i}.png" for i in range(200)]
        assert table["target"].tolist() == [NAMES[k] for k in targets]
        assert table["prediction"].tolist() == [NAMES[k] for k in outputs.argmax(1)]
        assert (table["correct"] == (table["target"] == table["prediction"])).all()
        shares = table[["p/ant", "p/bee", "p/cat"]]
        np.testing.assert_allclose(shares, outputs.softmax(1), atol=1e-6)
        assert (table["confidence"] == shares.max(axis=1)).all()

    def test_the_predictions_survive_a_csv(self):
        table = task().tables(*example(), [str(i) for i in range(200)])["predictions"]
        text = table.to_csv(index=False)
        read = pd.read_csv(io.StringIO(text), dtype={"id": str, "target": str, "prediction": str})
        pd.testing.assert_frame_equal(read, table, check_dtype=False)

    def test_the_filled_calibration_bins_are_scikit_learns(self):
        outputs, targets = example(2000)
        table = task().tables(outputs, targets, range(2000))["calibration"]
        confidences, predictions = outputs.double().softmax(1).max(1)
        accuracy, confidence = calibration_curve(predictions == targets, confidences, n_bins=NUM_BINS)
        filled = table[table["n"] > 0]
        np.testing.assert_allclose(filled["accuracy"], accuracy)
        np.testing.assert_allclose(filled["confidence"], confidence)
        assert len(table) == NUM_BINS
        assert table["n"].sum() == 2000

    def test_an_empty_calibration_bin_has_no_mean(self):
        first = task().tables(*example(), range(200))["calibration"].iloc[0]
        assert first["n"] == 0
        assert np.isnan(first["accuracy"])
        assert np.isnan(first["confidence"])
