"""The order of the layers and the owners of packages, read from the imports. `pytest tests/test_boundaries.py`"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "cnnrun"
LAYERS = [
    {"__main__"},
    {"cli"},
    {"commands", "completion", "usage"},
    {"backtest", "photos"},
    {"opening", "report"},
    {"saving", "tracking"},
    {"experiment", "sweeps"},
    {"comparison"},
    {"pages"},
    {"config", "console"},
    {"run", "plots", "settings"},
    {"training", "explain"},
    {"tasks"},
    {"data", "models", "metrics"},
    {"provenance", "files", "caches", "downloads", "signals", "seeds", "values", "tables"},
    {"errors"},
]
"""From the top; a module imports only from below, and names on one line are strangers to each other."""
OWNERS = {
    "hydra": {"config", "sweeps"},
    "omegaconf": {"config", "sweeps"},
    "rich": {"console"},
    "matplotlib": {"plots"},
    "PIL": {"data", "photos", "plots"},
    "safetensors": {"training", "models"},
    "filelock": {"run", "caches", "sweeps"},
    "sklearn": {"data"},
    "torchvision": {"data", "models"},
    "timm": {"models"},
    "huggingface_hub": {"models"},
    "jinja2": {"pages"},
    "optuna": {"sweeps"},
    "ray": {"sweeps"},
    "submitit": {"sweeps"},
    "mlflow": {"tracking"},
    "wandb": {"tracking"},
}
"""Who may import a third-party package; the others take what the owner makes of it."""
HEAVY = {"torch", "torchvision", "timm", "pandas", "sklearn", "matplotlib"}
LIGHT = ["cli", "usage", "completion", "config", "sweeps", "settings", "run", "console", "errors", "tables", "values"]
"""Modules that --help, --cfg or a sweep's parent may import: nothing heavy at their top."""
FILES = sorted(PACKAGE.rglob("*.py"))


def part_of(file: Path) -> str:
    """The name in LAYERS that a file belongs to."""
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(file: Path, *, at_top_only: bool = False) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything that a file imports, in functions and under TYPE_CHECKING, too."""
    tree = ast.parse(file.read_text())
    for node in tree.body if at_top_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno} imports relatively"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def rank(part: str) -> int:
    return next(number for number, layer in enumerate(LAYERS) if part in layer)


def test_every_module_has_a_place_in_the_layers():
    known = set().union(*LAYERS)
    assert sorted({part_of(file) for file in FILES} - known - {"__init__"}) == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_module_imports_only_from_below(file):
    part = part_of(file)
    for line, name in imports(file):
        package, _, rest = name.partition(".")
        other = rest.partition(".")[0]
        if package == "cnnrun" and other in set().union(*LAYERS) and other != part:
            assert rank(other) > rank(part), f"{file}:{line}: {part} may not import {other}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_package_is_imported_only_by_its_owners(file):
    for line, name in imports(file):
        package = name.partition(".")[0]
        assert part_of(file) in OWNERS.get(package, {part_of(file)}), f"{file}:{line}: {package} belongs to others"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_what_must_start_fast_imports_nothing_heavy_at_its_top(file):
    if part_of(file) in LIGHT:
        heavy = [
            f"{file}:{line}: {name}"
            for line, name in imports(file, at_top_only=True)
            if name.partition(".")[0] in HEAVY
        ]
        assert heavy == []
