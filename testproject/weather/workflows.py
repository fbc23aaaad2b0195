"""The workflow of a weather report: read, measure in parallel, report.

    load
    measures
      temperature   curve, extremes
      rain          amounts, spells         skipped unless data["rain"]
      wind
      sky           kinds, snow             snow is skipped when none fell
      hours                                 skipped for a file of the user's own
    report

``data`` is ``{"file", "uploaded", "label", "year", "rain"}``; see ``report_data``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from time import sleep
from typing import Any, TypedDict

from django.conf import settings

from jobs_flow import Job, Task, workflow
from testproject.weather import measures, readings, report
from testproject.weather.readings import Row
from testproject.weather.report import Report, Section

NAME = "weather_report"


class ReportData(TypedDict):
    """What an instance is made with: a file's name (never its path), what to call it, and what to report."""

    file: str
    uploaded: bool
    label: str
    year: int | None
    rain: bool


def report_data(
    *,
    file: str = readings.DAILY,
    uploaded: bool = False,
    label: str = "Seattle",
    year: int | None = None,
    rain: bool = True,
) -> ReportData:
    """The data of an instance: the demo's readings, all years and rain, unless something else is said."""
    return {"file": file, "uploaded": uploaded, "label": label, "year": year, "rain": rain}


@workflow(NAME, example=report_data())
def weather_report(data: ReportData) -> list[Task]:
    """The tasks of a report."""
    return [
        Task(
            "load",
            partial(load, data),
            dest="readings",
            on_complete=lambda res: f"{len(res)} readings",
            description="Read and check the file",
        ),
        Task(
            "measures",
            measure,
            dest="period",
            description="What was measured, and when",
            subtasks=[
                Task(
                    "temperature",
                    temperature,
                    dest="months",
                    description="Means of each month",
                    subtasks=[
                        Task("curve", temperature_curve, description="Plot"),
                        Task("extremes", temperature_extremes, description="Hot days and frosty nights"),
                    ],
                ),
                Task(
                    "rain",
                    rain,
                    condition=lambda res, job: data["rain"],
                    description="Precipitation of each month",
                    subtasks=[
                        Task("amounts", rain_amounts, description="Plot"),
                        Task("spells", rain_spells, description="Longest wet and dry spells"),
                    ],
                ),
                Task("wind", wind, description="How hard it blew"),
                Task(
                    "sky",
                    sky,
                    description="Days of each kind",
                    subtasks=[
                        Task("kinds", sky_kinds, description="Plot"),
                        Task("snow", snow, condition=lambda res, job: "snow" in res, description="Days with snow"),
                    ],
                ),
                Task(
                    "hours",
                    hours,
                    condition=lambda res, job: not data["uploaded"] and hourly_file().is_file(),
                    description="Temperatures by hour of the day",
                ),
            ],
        ),
        Task("report", partial(write, data), description="Put it all on one page"),
    ]


# -- the tasks ---------------------------------------------------------------------------------


def load(data: ReportData, res: Any, job: Job) -> list[Row]:
    """The rows of the file that the instance is about."""
    path = readings.find(data["file"], uploaded=data["uploaded"])
    job.log(f"reading {path.stat().st_size:,} bytes")

    def progress(done: int, total: int) -> None:
        rest(job, done / total, f"line {done} of {total}")

    return readings.of_year(readings.read_daily(path, progress), data["year"])


def measure(res: list[Row], job: Job) -> dict[str, Any]:
    """The period that the readings cover; its subtasks measure the rest."""
    period = measures.period(res)
    job.log(f"from {period['first']} to {period['last']}")
    rest(job)
    return period


def temperature(res: Any, job: Job) -> list[dict[str, Any]]:
    """The temperatures of each month."""
    rest(job)
    return measures.monthly_temperatures(job.readings)


def temperature_curve(res: Any, job: Job) -> Section:
    """The plot of the temperatures."""
    plots = _plots(job)
    name = plots.temperatures(_directory(job) / "temperature.png", job.months)
    rest(job, 1.0)
    return report.section(
        "curve", "Temperature", plot=name, alt="Mean highs and lows of each month, and the range between the extremes"
    )


def temperature_extremes(res: Any, job: Job) -> Section:
    """Hottest and coldest days."""
    figures = measures.temperature_figures(job.context["readings"])
    for found in figures:
        job.log(f"{found['label']}: {found['value']}")
    rest(job)
    return report.section("extremes", "Extremes", figures=figures)


def rain(res: Any, job: Job) -> list[dict[str, Any]]:
    """The precipitation of each month."""
    rest(job)
    return measures.monthly_rain(job.readings)


def rain_amounts(res: Sequence[Mapping[str, Any]], job: Job) -> Section:
    """The plot of the precipitation."""
    plots = _plots(job)
    name = plots.rain(_directory(job) / "rain.png", res)
    rest(job, 1.0)
    return report.section(
        "amounts",
        "Rain",
        figures=measures.rain_figures(job.readings),
        plot=name,
        alt="Millimetres of rain in each month of a mean year",
    )


def rain_spells(res: Any, job: Job) -> Section:
    """The longest spells."""
    rest(job)
    return report.section("spells", "Spells", figures=measures.spell_figures(job.readings))


def wind(res: Any, job: Job) -> Section:
    """Numbers and plot of the wind."""
    rest(job, 0.2, "numbers")
    figures = measures.wind_figures(job.readings)
    plots = _plots(job)
    rest(job, 0.6, "plot")
    name = plots.wind(_directory(job) / "wind.png", measures.winds(job.readings))
    return report.section("wind", "Wind", figures=figures, plot=name, alt="How many days had which wind")


def sky(res: Any, job: Job) -> dict[str, list[int]]:
    """How many days of each kind each month has."""
    rest(job)
    return measures.skies(job.readings)


def sky_kinds(res: Mapping[str, Sequence[int]], job: Job) -> Section:
    """The plot of the kinds."""
    plots = _plots(job)
    name = plots.skies(_directory(job) / "sky.png", res)
    rest(job, 1.0)
    figures = [measures.figure(f"Days of {kind}", str(sum(days))) for kind, days in list(res.items())[:4]]
    return report.section("kinds", "Sky", figures=figures, plot=name, alt="The share of each kind of weather by month")


def snow(res: Any, job: Job) -> Section:
    """When snow fell."""
    rest(job)
    return report.section("snow", "Snow", figures=measures.snow_figures(job.readings))


def hours(res: Any, job: Job) -> Section:
    """Temperatures by hour and month, of the demo's hourly readings."""
    found = []
    for moment, celsius in readings.read_hourly(hourly_file()):
        found.append((moment, celsius))
        if len(found) % 2190 == 0:
            rest(job, len(found) / 8760, f"{len(found)} hours")
    plots = _plots(job)
    name = plots.hours(_directory(job) / "hours.png", measures.hourly_means(found))
    job.log(f"{len(found)} hours of {found[0][0].year}")
    return report.section(
        "hours",
        f"Hours of the day, {found[0][0].year}",
        plot=name,
        alt="The mean temperature of each hour in each month",
    )


def write(data: ReportData, res: Any, job: Job) -> Report:
    """The whole report: also written as a page beside its plots."""
    rest(job)
    source = "" if data["uploaded"] else "Readings: NOAA, public domain."
    made = report.compose(data["label"], job.context["period"], res, source=source)
    report.write_page(_directory(job), made)
    return made


# -- what they share ---------------------------------------------------------------------------


def rest(job: Job, progress: float | None = None, text: str | None = None) -> None:
    """Say how far the task is, and pause as long as the demo's pace asks, so that people see it."""
    if progress is not None:
        job.progress(progress, text)
    if settings.DEMO_PACE:
        sleep(settings.DEMO_PACE)


def hourly_file() -> Path:
    """The demo's hourly readings."""
    return readings.DATA_DIR / readings.HOURLY


def _directory(job: Job) -> Path:
    return report.directory(job.workflow_id)


def _plots(job: Job) -> Any:
    # matplotlib takes half a second to load: a worker that never plots does not pay it.
    job.progress(0.3, "drawing")
    from testproject.weather import plots

    return plots
