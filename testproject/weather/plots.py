"""Plots of a weather report as PNG files. Figures are made without pyplot, which keeps a global state."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from testproject.weather.measures import MONTHS

INK = "#4b5563"
GRID = "#e5e7eb"
BLUE, ORANGE, TEAL = "#2563eb", "#ea580c", "#0d9488"
#: Colours of the kinds of weather; others take the spare ones in turn.
SKY = {"sun": "#f59e0b", "rain": "#2563eb", "fog": "#9ca3af", "drizzle": "#38bdf8", "snow": "#a78bfa"}
SPARE = ("#0d9488", "#ea580c", "#db2777", "#65a30d")
#: Small on paper, so that the writing is large enough where a phone shows the whole plot.
SIZE, DPI = (4.8, 2.4), 220


def _axes(unit: str, *, x: str = "", grid: bool = True) -> tuple[Figure, Axes]:
    figure = Figure(figsize=SIZE, dpi=DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_ylabel(unit, color=INK)
    axes.set_xlabel(x, color=INK)
    axes.tick_params(colors=INK, length=0)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
    if grid:
        axes.grid(axis="y", color=GRID)
        axes.set_axisbelow(True)
    return figure, axes


def _save(figure: Figure, path: Path) -> str:
    """Write the file whole or not at all, and give its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    own = path.with_name(f".{path.name}.{os.getpid()}")
    figure.savefig(own, format="png")
    own.replace(path)
    return path.name


def _legend(axes: Axes, columns: int) -> None:
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=columns,
        frameon=False,
        labelcolor=INK,
        borderaxespad=0.2,
        handlelength=1,
        handletextpad=0.4,
        columnspacing=1,
    )


def temperatures(path: Path, months: Sequence[Mapping[str, Any]]) -> str:
    """Mean and extreme temperatures of each month."""
    figure, axes = _axes("°C")
    x = [item["month"] - 1 for item in months]
    axes.fill_between(
        x,
        [item["coldest"] for item in months],
        [item["hottest"] for item in months],
        color=ORANGE,
        alpha=0.12,
        linewidth=0,
        label="whole range",
    )
    axes.plot(x, [item["high"] for item in months], color=ORANGE, marker="o", markersize=4, label="mean high")
    axes.plot(x, [item["low"] for item in months], color=BLUE, marker="o", markersize=4, label="mean low")
    axes.set_xticks(x, [MONTHS[i][0] for i in x])
    _legend(axes, 3)
    return _save(figure, path)


def rain(path: Path, months: Sequence[Mapping[str, Any]]) -> str:
    """Precipitation of each month."""
    figure, axes = _axes("mm a month")
    x = [item["month"] - 1 for item in months]
    axes.bar(x, [item["millimetres"] for item in months], color=BLUE, width=0.7)
    axes.set_xticks(x, [MONTHS[i][0] for i in x])
    return _save(figure, path)


def wind(path: Path, values: Sequence[float]) -> str:
    """How often which wind blew."""
    figure, axes = _axes("days", x="m/s")
    edges = [step / 2 for step in range(int(max(values) * 2) + 2)]
    axes.hist(values, bins=edges, color=TEAL, rwidth=0.9)
    return _save(figure, path)


def skies(path: Path, kinds: Mapping[str, Sequence[int]]) -> str:
    """The share of each kind of weather in each month."""
    figure, axes = _axes("share of days")
    totals = [sum(counts[month] for counts in kinds.values()) for month in range(12)]
    x = [month for month in range(12) if totals[month]]
    bottom = [0.0] * len(x)
    for index, (kind, counts) in enumerate(kinds.items()):
        shares = [counts[month] / totals[month] for month in x]
        colour = SKY.get(kind, SPARE[index % len(SPARE)])
        axes.bar(x, shares, bottom=bottom, color=colour, width=0.8, label=kind)
        bottom = [below + share for below, share in zip(bottom, shares, strict=True)]
    axes.set_xticks(x, [MONTHS[i][0] for i in x])
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    _legend(axes, 6)
    return _save(figure, path)


def hours(path: Path, means: Sequence[Sequence[float]]) -> str:
    """The mean temperature by hour and month."""
    figure, axes = _axes("hour of the day", grid=False)
    image = axes.imshow(means, aspect="auto", cmap="RdYlBu_r", origin="lower", interpolation="nearest")
    axes.set_xticks(range(12), [name[0] for name in MONTHS])
    axes.set_yticks(range(0, 24, 6), [f"{hour}:00" for hour in range(0, 24, 6)])
    bar = figure.colorbar(image, ax=axes, label="°C", pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.tick_params(colors=INK, length=0)
    return _save(figure, path)
