"""Numbers out of weather readings: pure functions, rows in and JSON out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from itertools import groupby
from statistics import fmean
from typing import Any, TypedDict

from testproject.weather.readings import DATE, PRECIPITATION, TEMP_MAX, TEMP_MIN, WEATHER, WIND, Row

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

#: A day with less than this many millimetres counts as dry.
WET = 0.1
FROST = 0.0
HOT = 30.0
GALE = 8.0


class Figure(TypedDict):
    """One number of a report."""

    label: str
    value: str


def figure(label: str, value: str) -> Figure:
    """A number with its name."""
    return {"label": label, "value": value.replace("-", "−")}


def period(rows: Sequence[Row]) -> dict[str, Any]:
    """``{"days", "first", "last", "years"}`` of some readings."""
    years = sorted({int(row[DATE][:4]) for row in rows})
    return {"days": len(rows), "first": rows[0][DATE], "last": rows[-1][DATE], "years": years}


def by_month(rows: Iterable[Row]) -> dict[int, list[Row]]:
    """The readings of each month of the year that has some."""
    months: dict[int, list[Row]] = {}
    for row in rows:
        months.setdefault(int(row[DATE][5:7]), []).append(row)
    return dict(sorted(months.items()))


def monthly_temperatures(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """``{"month", "low", "high", "coldest", "hottest"}`` for each month of the year."""
    return [
        {
            "month": month,
            "low": round(fmean(row[TEMP_MIN] for row in days), 2),
            "high": round(fmean(row[TEMP_MAX] for row in days), 2),
            "coldest": min(row[TEMP_MIN] for row in days),
            "hottest": max(row[TEMP_MAX] for row in days),
        }
        for month, days in by_month(rows).items()
    ]


def temperature_figures(rows: Sequence[Row]) -> list[Figure]:
    """Hottest and coldest day, and how many were hot or frosty."""
    hottest = max(rows, key=lambda row: row[TEMP_MAX])
    coldest = min(rows, key=lambda row: row[TEMP_MIN])
    return [
        figure("Hottest day", f"{hottest[TEMP_MAX]:.1f} °C, {day(hottest)}"),
        figure("Coldest night", f"{coldest[TEMP_MIN]:.1f} °C, {day(coldest)}"),
        figure(f"Days over {HOT:.0f} °C", str(sum(row[TEMP_MAX] > HOT for row in rows))),
        figure("Nights of frost", str(sum(row[TEMP_MIN] < FROST for row in rows))),
    ]


def monthly_rain(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """``{"month", "millimetres", "wet_days"}``, means over the years, for each month of the year."""
    return [
        {
            "month": month,
            "millimetres": round(sum(row[PRECIPITATION] for row in days) / _years(days), 1),
            "wet_days": round(sum(row[PRECIPITATION] >= WET for row in days) / _years(days), 1),
        }
        for month, days in by_month(rows).items()
    ]


def rain_figures(rows: Sequence[Row]) -> list[Figure]:
    """The sum, the wettest day, and the share of days with rain."""
    wettest = max(rows, key=lambda row: row[PRECIPITATION])
    wet = sum(row[PRECIPITATION] >= WET for row in rows)
    return [
        figure("Precipitation a year", f"{sum(row[PRECIPITATION] for row in rows) / _years(rows):.0f} mm"),
        figure("Wettest day", f"{wettest[PRECIPITATION]:.1f} mm, {day(wettest)}"),
        figure("Days with rain or snow", f"{wet} of {len(rows)} ({wet / len(rows):.0%})"),
    ]


def spell_figures(rows: Sequence[Row]) -> list[Figure]:
    """The longest runs of wet and of dry days."""
    return [
        figure("Longest wet spell", _longest(rows, wet=True)),
        figure("Longest dry spell", _longest(rows, wet=False)),
    ]


def _longest(rows: Sequence[Row], *, wet: bool) -> str:
    # Days that follow each other and are all wet, or all dry, share a key.
    def key(item: tuple[int, Row]) -> tuple[int, bool]:
        index, row = item
        return date.fromisoformat(row[DATE]).toordinal() - index, row[PRECIPITATION] >= WET

    spells = [[row for _, row in days] for (_, is_wet), days in groupby(enumerate(rows), key) if is_wet is wet]
    if not spells:
        return "none"
    longest = max(spells, key=len)
    days = "day" if len(longest) == 1 else "days"
    return f"{len(longest)} {days} from {day(longest[0])}"


def wind_figures(rows: Sequence[Row]) -> list[Figure]:
    """Mean wind, the windiest day, and how many were windy."""
    windiest = max(rows, key=lambda row: row[WIND])
    return [
        figure("Mean wind", f"{fmean(row[WIND] for row in rows):.1f} m/s"),
        figure("Windiest day", f"{windiest[WIND]:.1f} m/s, {day(windiest)}"),
        figure(f"Days over {GALE:.0f} m/s", str(sum(row[WIND] > GALE for row in rows))),
    ]


def winds(rows: Iterable[Row]) -> list[float]:
    """The wind of each day."""
    return [row[WIND] for row in rows]


def skies(rows: Iterable[Row]) -> dict[str, list[int]]:
    """How many days of each kind each of the twelve months has, the most frequent kind first."""
    total: Counter[str] = Counter()
    months: dict[str, list[int]] = {}
    for row in rows:
        total[row[WEATHER]] += 1
        months.setdefault(row[WEATHER], [0] * 12)[int(row[DATE][5:7]) - 1] += 1
    return {kind: months[kind] for kind, _ in total.most_common()}


def snow_figures(rows: Sequence[Row]) -> list[Figure]:
    """How many days had snow, and when it fell first and last in the cold season."""
    snowy = [row for row in rows if row[WEATHER] == "snow"]
    autumn = min((row for row in snowy if row[DATE][5:] >= "07-01"), key=lambda row: row[DATE][5:], default=None)
    spring = max((row for row in snowy if row[DATE][5:] < "07-01"), key=lambda row: row[DATE][5:], default=None)
    figures = [figure("Days with snow", str(len(snowy)))]
    if autumn:
        figures.append(figure("Earliest snow of a winter", day(autumn)))
    if spring:
        figures.append(figure("Latest snow of a winter", day(spring)))
    return figures


def hourly_means(readings: Iterable[tuple[datetime, float]]) -> list[list[float]]:
    """The mean temperature of each hour of the day (rows) in each month (columns)."""
    sums = [[[0.0, 0] for _ in range(12)] for _ in range(24)]
    for moment, celsius in readings:
        cell = sums[moment.hour][moment.month - 1]
        cell[0] += celsius
        cell[1] += 1
    return [[round(total / count, 2) if count else 0.0 for total, count in hours] for hours in sums]


def day(row: Row) -> str:
    """The date of a reading, for people."""
    found = date.fromisoformat(row[DATE])
    return f"{found.day} {MONTHS[found.month - 1]} {found.year}"


def _years(rows: Sequence[Row]) -> int:
    return len({row[DATE][:4] for row in rows})
