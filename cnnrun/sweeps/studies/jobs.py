"""From a study and the words of a command line to its jobs: their words and the names of their folders."""

from collections.abc import Mapping
from dataclasses import dataclass

from cnnrun.config import overrides
from cnnrun.config.overrides import FULL
from cnnrun.errors import ConfigError, near_miss
from cnnrun.sweeps.names import job_name
from cnnrun.sweeps.studies.study import Place, Settings, Study, merged

SEED = "seed"
Given = Mapping[str, list[str]]
"""The words of the command line: each key with its values."""


@dataclass(frozen=True)
class Case:
    """One job of a study."""

    place: Place
    seed: str
    name: str
    """Of its folder."""
    words: list[str]
    is_asked: bool
    """Whether this command runs it."""


@dataclass(frozen=True)
class Grid:
    """The jobs of a study: all of its table, and those that a command asks for."""

    cases: list[Case]
    swept: list[str]
    """Words of what differs between jobs, each with one of its values, as a sweep has them."""

    @property
    def asked(self) -> list[Case]:
        return [case for case in self.cases if case.is_asked]


def grid_of(study: Study, given: Given) -> Grid:
    """The jobs of a study, for the words that a command line gives.

    `seed` takes the place of the study's seeds. A word for what rows or columns set picks those with that value. Every
    other word takes the place of the study's setting, or adds one; another part (dataset=...) drops what the study
    sets inside the old one.

    Raises:
        ConfigError: if no row or column has a value, or several values are given for something else.
    """
    own = list(dict.fromkeys(key for settings in [*study.rows.values(), *study.cols.values()] for key in settings))
    others = {key: _single(study, key, values) for key, values in given.items() if key not in [*own, SEED]}
    asked = _asked_places(study, {key: values for key, values in given.items() if key in own})
    seeds = given.get(SEED, study.seeds)
    cases: dict[str, Case] = {}
    for place in study.places:
        settings = _settings_of(study, place)
        shared = _shared(study.settings, settings, others)
        for seed in dict.fromkeys([*study.seeds, *seeds]):
            swept = dict(map(overrides.split, _words(settings | {SEED: seed})))
            name = job_name(swept, taken=cases)
            words = overrides.without_none(_words(shared | settings | {SEED: seed}))
            cases[name] = Case(place, seed, name, words, place in asked and seed in seeds)
    values = dict(overrides.split(word) for case in cases.values() for word in case.words)
    return Grid(list(cases.values()), [f"{key}=choice({values[key]})" for key in [*own, SEED]])


def _shared(settings: Settings, of_place: Settings, given: Settings) -> Settings:
    """What a study sets for all, but for what its row and column or the command line set otherwise."""
    return {
        key: value
        for key, value in merged(settings, given).items()
        if key in given or key in merged(settings, of_place)
    }


def folder_name(study: Study) -> str:
    """Of the folder in outputs/sweeps."""
    return study.name if study.budget == FULL else f"{study.name}-{study.budget}"


def _single(study: Study, key: str, values: list[str]) -> str:
    if len(values) > 1:
        raise ConfigError(
            f"'{key}={','.join(values)}': study {study.name} does not vary {key}; give one value, or leave out study"
        )
    return values[0]


def _settings_of(study: Study, place: Place) -> Settings:
    row, col = place
    return study.rows[row] | study.cols[col]


def _asked_places(study: Study, wanted: Given) -> list[Place]:
    """Those with the wanted values; rows that are optional only where no other has them.

    Raises:
        ConfigError: if none has.
    """
    found = [place for place in study.places if _has(study.settings | _settings_of(study, place), wanted)]
    usual = [place for place in found if place[0] not in study.optional]
    if found:
        return usual or found
    for key, values in wanted.items():
        known = dict.fromkeys(_settings_of(study, place).get(key) for place in study.places)
        texts = [text for text in known if text is not None]
        for value in values:
            bare = overrides.bare(key, value)
            if not any(_same(bare, text) for text in [*texts, study.settings.get(key, "")]):
                there = f"{near_miss(bare, texts)} (there are {', '.join(texts)})"
                raise ConfigError(f"'{key}={bare}': study {study.name} has no such row or column{there}")
    raise ConfigError(f"study {study.name} has no row and column with {' '.join(_pairs(wanted))}")


def _pairs(wanted: Given) -> list[str]:
    return [f"{key}={','.join(overrides.bare(key, value) for value in values)}" for key, values in wanted.items()]


def _has(settings: Settings, wanted: Given) -> bool:
    return all(
        key in settings and any(_same(overrides.bare(key, value), settings[key]) for value in values)
        for key, values in wanted.items()
    )


def _same(first: str, second: str) -> bool:
    try:
        return float(first) == float(second)
    except ValueError:
        return overrides.unquote(first) == overrides.unquote(second)


def _words(settings: Settings) -> list[str]:
    """As a command line has them when Hydra reads it: paths and layer ranges in quotes."""
    return list(overrides.prepare([f"{key}={value}" for key, value in settings.items()], {}))
