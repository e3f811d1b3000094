"""How many steps a season has, where the frequency tells."""

import re

STEPS = {"D": 7, "B": 5, "W": 52, "MS": 12, "ME": 12, "QS": 4, "QE": 4, "YS": 1, "YE": 1}
"""A week of days, a year of weeks, months or quarters; steps below a day: see `season_of`."""
SECONDS = {"h": 3600, "min": 60, "s": 1}


def season_of(frequency: str | None) -> int:
    """Steps of the seasonal-naive forecast: a day where steps are shorter than that and part it evenly.

    Args:
        frequency: as pandas writes it, such as 15min, D or W-SUN.
    Returns:
        1, which is the naive forecast, where the frequency is not known or tells nothing.
    """
    found = re.fullmatch(r"(\d*)([A-Za-z]+)(-\w+)?", frequency or "")
    if not found:
        return 1
    count, unit = int(found[1] or 1), found[2]
    if unit in SECONDS:
        season, rest = divmod(86_400, count * SECONDS[unit])
        return 1 if rest or not season else season if season > 1 else STEPS["D"]
    return STEPS.get(unit, 1) if count == 1 else 1
