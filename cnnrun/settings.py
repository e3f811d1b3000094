"""The settings of each command that belong to no group: the types behind the top-level keys of conf/<command>.yaml."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from pydantic_core import PydanticCustomError

from cnnrun.values import Fraction

Device = Annotated[str, Field(pattern=r"^(auto|cpu|cuda|cuda:\d+|mps)$", description="auto, cpu, cuda, cuda:1 or mps")]
"""Where tensors live. That the machine has it is checked when it is used."""

Precision = Literal["auto", "fp32", "bf16", "fp16"]

Seed = Annotated[int, Field(ge=0, lt=2**63)]
"""What torch takes."""

FolderName = Annotated[
    str, Field(pattern=r"^[\w=+,-][\w.=+,-]*$", description="a name of letters, digits and . _ = + , - without folders")
]
"""The name of one folder, not a path."""

Backtest = Annotated[dict[Literal["folds"], NonNegativeInt], Field(min_length=1)]
"""How often a series is trained on again, each time on an earlier part."""


def _what_to_keep(values: dict[str, Any]) -> dict[str, Any]:
    prefix, views = values.get("prefix"), values.get("views")
    if len(values) == 2 and prefix in ("auto", "off") and type(views) is int and views >= 0:
        return values
    # A word that YAML takes for a truth is told of with the others.
    raise PydanticCustomError("cache", 'prefix: auto or "off" (in quotes, in YAML), and views: 0 or more')


Cache = Annotated[dict[str, Any], AfterValidator(_what_to_keep)]
"""What is kept of what the frozen layers of a network compute."""

Path = Annotated[str, Field(min_length=1)]

PRETRAINED = "backbone"
"""The model that comes with trained weights."""
FORMS = f"run=DIR, a run of yours, or model={PRETRAINED} model.arch=NAME model.weights=imagenet (or a file)"
"""What `cnnrun predict` can predict with."""


@dataclass(frozen=True)
class TrainSettings:
    """What `cnnrun train` takes beside its groups; the defaults stand in conf/train.yaml."""

    seed: Seed
    epochs: PositiveInt
    max_seconds: PositiveFloat | None
    batch_size: PositiveInt
    sampler: Literal["uniform", "balanced"]
    patience: PositiveInt | None
    min_delta: NonNegativeFloat
    grad_clip: PositiveFloat | None
    ema: Fraction | None
    device: Device
    precision: Precision
    reproducibility: Literal["exact", "fast"]
    channels_last: Literal["auto"] | bool
    compile: bool
    threads: PositiveInt | None
    backtest: Backtest
    cache: Cache
    test: bool
    figures: bool
    offline: bool
    resume: Path | None
    study: FolderName | None
    budget: FolderName
    sweep: FolderName | None
    trust_code: bool


@dataclass(frozen=True)
class PredictSettings:
    """What `cnnrun predict` takes beside a model; null means as the run that predicts, or none."""

    run: Path | None
    inputs: Path
    labels: Path | None
    truth: Path | None
    top_k: PositiveInt
    annotate: bool
    batch_size: PositiveInt | None
    compile: bool
    checkpoint: Literal["best", "last"]
    device: Device | None
    precision: Precision | None
    threads: PositiveInt | None
    figures: bool
    offline: bool
    resume: Path | None
    trust_code: bool

    @staticmethod
    def wrong_form(config: dict[str, Any]) -> str | None:
        """What is wrong where not exactly one of a run and a model with trained weights is named."""
        run, model = config.get("run"), config.get("model")
        if run is not None and model is not None:
            return f"run=... and model=... are two ways to predict, take one: {FORMS}"
        if run is None and model is None:
            return f"say what predicts: {FORMS}"
        name = model.get("name") if isinstance(model, dict) else model
        if model is not None and name != PRETRAINED:
            return f"model.name={name}: it comes without trained weights; take {FORMS}"
        return None


@dataclass(frozen=True)
class EvalSettings:
    """What `cnnrun eval` takes; null means as the run that is evaluated."""

    run: Path
    split: Literal["train", "val", "test"]
    checkpoint: Literal["best", "last"]
    batch_size: PositiveInt | None
    device: Device | None
    precision: Precision | None
    threads: PositiveInt | None
    root: Path | None
    csv: Path | None
    figures: bool
    offline: bool
    trust_code: bool

    def moved(self) -> dict[str, str]:
        """Where the data set is now, by the name of its setting."""
        return {key: place for key, place in (("root", self.root), ("csv", self.csv)) if place is not None}


Name = Annotated[str, Field(min_length=1)]
Names = Name | Annotated[list[Name], Field(min_length=1)]
"""One name, or several."""

Format = Literal["text", "csv", "md", "tex", "html"]


@dataclass(frozen=True)
class CompareSettings:
    """What `cnnrun compare` takes."""

    runs: Names
    sort: Name | None
    rows: Names | None
    cols: Names | None
    cells: Names | None
    columns: Literal["auto", "reference"]
    format: Format | Annotated[list[Format], Field(min_length=1)]
    pages: bool
    figures: bool

    @staticmethod
    def wrong_form(config: dict[str, Any]) -> str | None:
        """What is wrong where settings exclude each other."""
        if config.get("cols") is not None and config.get("rows") is None:
            return "cols=... makes a pivot, and needs rows=..., too"
        if config.get("columns") == "reference" and config.get("rows") is not None:
            return "columns=reference and rows=... are two tables, take one"
        return None


def wrong_form(command: str, config: dict[str, Any]) -> str | None:
    """Why the settings of a command make no sense together, whatever each of them is; None if they do."""
    rules = {"predict": PredictSettings.wrong_form, "compare": CompareSettings.wrong_form}
    return rules[command](config) if command in rules else None


HOW_TO_RUN = ("resume", "trust_code", "sweep", "study", "budget", "offline", "logger")
"""Settings and groups that say how to run, not what: runs that differ in them alone are the same experiment."""

OF_COMMAND = {"train": TrainSettings, "eval": EvalSettings, "predict": PredictSettings, "compare": CompareSettings}
