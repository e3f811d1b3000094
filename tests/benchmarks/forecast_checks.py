"""How well forecasts are judged: the Diebold-Mariano test and the bootstrap on simulated forecasts of known skill,
networks that are trained on white noise, and the baselines on published series.

    python tests/benchmarks/forecast_checks.py --pairs 1000 --noise 20 --data FOLDER

FOLDER holds opsd_germany_daily.csv and ETTh1.csv; without it the baselines are left out. Two minutes on one core.
"""

import argparse
import io
import tempfile
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np

from cnnrun.metrics.block_bootstrap import estimate, resampled
from cnnrun.metrics.diebold_mariano import diebold_mariano
from cnnrun.tasks.baselines import Baselines

CASES = [(365, 1), (365, 7), (1000, 24), (2785, 96)]
"""Windows and horizon."""
WEEK = {1: 7, 7: 7, 24: 168, 96: 168}
"""Steps in a week, by horizon: the first two are of days, the others of hours."""
CLEANING = ("none", "zscore", "hampel", "reference")
"""The last reads the future."""
MEMORY = {"white": 0.0, "autocorrelated": 0.5}


def losses(n: int, horizon: int, memory: float, generator: np.random.Generator) -> np.ndarray:
    """(n,) mean absolute error of each window of errors x[t] = memory x[t - 1] + noise."""
    noise = generator.normal(size=n + horizon + 99)
    errors = np.empty_like(noise)
    level = 0.0
    for step, value in enumerate(noise):
        level = memory * level + value
        errors[step] = level
    return np.convolve(np.abs(errors[100:]), np.ones(horizon) / horizon, "valid")


def simulations(pairs: int) -> Iterator[str]:
    """Rows: how often equal forecasts are told apart, and how often the interval of the MAE holds it."""
    for n, horizon in CASES:
        for kind, memory in MEMORY.items():
            generator = np.random.default_rng(0)
            truth = np.sqrt(2 / np.pi / (1 - memory**2))
            block = max(2 * horizon, WEEK[horizon])
            told = held = 0
            for _ in range(pairs):
                first, second = losses(n, horizon, memory, generator), losses(n, horizon, memory, generator)
                told += diebold_mariano(first - second, horizon).p_value < 0.05
                many = resampled(first[:, None], block)
                found = estimate(float(first.mean()), None if many is None else many[:, 0] / n, n / block)
                held += found.low <= truth <= found.high
            yield f"| {n:,} | {horizon} | {kind} | {told / pairs:.1%} | {held / pairs:.1%} |"


def noise(seeds: int) -> Iterator[str]:
    """Rows: R² on test of a small network, through `cnnrun train`, by what the outliers of its series go through."""
    for clean in CLEANING:
        found = []
        for seed in range(seeds):
            with tempfile.TemporaryDirectory() as folder:
                found.append(noise_r2(clean, seed, Path(folder)))
        yield f"| {clean} | {np.mean(found):+.4f} | {max(found):+.4f} |"


def noise_r2(clean: str, seed: int, folder: Path) -> float:
    """Of one network, on a series as long as that of reference 000, where about one value in seven is an outlier."""
    import pandas as pd

    from cnnrun.cli import main as cnnrun
    from cnnrun.run import Run

    values = np.random.default_rng(seed).normal(1300, 160, 4383)
    frame = pd.DataFrame({"Date": pd.date_range("2006-01-01", periods=len(values)), "Consumption": values})
    frame.to_csv(folder / "noise.csv", index=False)
    words = ["dataset=energy", f"dataset.csv={folder / 'noise.csv'}", "dataset.target=Consumption", f"seed={seed}"]
    words += ["dataset.lookback=15", "dataset.horizon=1", f"dataset.clean={clean}", "dataset.clean_threshold=1.5"]
    words += ["model.channels=[16]", "model.dilation=1", "epochs=20", "batch_size=256", "threads=1", "figures=false"]
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()) as err:
        if cnnrun(["train", *words, f"hydra.run.dir={folder / 'run'}"]):
            raise SystemExit(err.getvalue())
    [r2] = [row for row in Run.open(folder / "run").results() if (row["split"], row["metric"]) == ("test", "r2")]
    return float(r2["value"])


def baselines(folder: Path) -> Iterator[str]:
    """Rows: metrics of the baselines on test, as the literature has them."""
    data = series("opsd_germany", {"csv": str(folder / "opsd_germany_daily.csv"), "lookback": 15})
    for name, point in Baselines(data, None, from_last=False).forecasts(data.test).items():
        errors, actual = point - data.test.actual, data.test.actual
        share, power = np.abs(errors / actual).mean(), np.square(actual - actual.mean()).sum()
        yield f"| OPSD 2017 | {name} | MAPE {share:.2%} | R² {1 - np.square(errors).sum() / power:.3f} |"
    data = series("etth1", {"csv": str(folder / "ETTh1.csv")})
    for name, point in Baselines(data, None, from_last=True).forecasts(data.test).items():
        errors = (point - data.test.actual) / data.forecast.scale[:, None]
        mse, mae = np.square(errors).mean(), np.abs(errors).mean()
        yield f"| ETTh1, {len(errors):,} windows | {name} | MSE {mse:.4f} | MAE {mae:.4f} |"


def series(option: str, settings: dict[str, Any]) -> Any:
    """The data set of conf/dataset/<option>.yaml, with other settings."""
    import yaml

    from cnnrun import config as configs

    conf = Path(__file__).parents[2] / "conf" / "dataset" / f"{option}.yaml"
    node = {key: value for key, value in yaml.safe_load(conf.read_text()).items() if key != "defaults"}
    return configs.build("dataset", node | settings, offline=True, report=None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--noise", type=int, default=20)
    parser.add_argument("--data", type=Path)
    words = parser.parse_args()
    print("| windows | horizon | errors | told apart at 5 % | 95 % interval holds the MAE |")
    print("| --- | --- | --- | --- | --- |")
    for row in simulations(words.pairs):
        print(row, flush=True)
    print("\n| outliers of white noise | test R², mean of the seeds | highest |\n| --- | --- | --- |")
    for row in noise(words.noise):
        print(row, flush=True)
    if words.data:
        print("\n| test | baseline | | |\n| --- | --- | --- | --- |")
        print(*baselines(words.data), sep="\n")


if __name__ == "__main__":
    main()
