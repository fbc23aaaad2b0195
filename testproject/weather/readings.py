"""Weather readings out of CSV files, checked line by line.

The rows are lists, not objects, because they travel as JSON: ``[date, precipitation, temp_max,
temp_min, wind, weather]`` with an ISO date, millimetres, degrees Celsius and metres a second.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings

#: The files of the demo.
DATA_DIR = Path(__file__).resolve().parent / "data"
DAILY = "seattle-weather.csv"
HOURLY = "seattle-temps.csv"

COLUMNS = ("date", "precipitation", "temp_max", "temp_min", "wind", "weather")
#: Enough for a century of days.
MAX_READINGS = 40_000

#: What a reading can be; beyond it the file has another unit, or an error.
RANGES = {"precipitation": (0, 2000), "temp_max": (-90, 60), "temp_min": (-90, 60), "wind": (0, 120)}

DATE, PRECIPITATION, TEMP_MAX, TEMP_MIN, WIND, WEATHER = range(len(COLUMNS))
Row = list[Any]

_UPLOAD_NAME = re.compile(r"[0-9a-f]{32}\.csv")
_DATE_FORMATS = ("%Y/%m/%d", "%Y-%m-%d")


def upload_dir() -> Path:
    """Where uploaded files are; they are never served."""
    return Path(settings.MEDIA_ROOT) / "uploads"


def find(name: str, *, uploaded: bool) -> Path:
    """The file of that name, in the demo's data or among the uploads, and nowhere else.

    Raises ``ValueError`` for any name that is not one of a file there.
    """
    if uploaded:
        path = upload_dir() / name if _UPLOAD_NAME.fullmatch(name) else None
    else:
        path = DATA_DIR / name if name == DAILY else None
    if path is None or not path.is_file():
        raise ValueError("There is no such file of readings. Upload it again.")
    return path


def read_daily(path: Path, progress: Callable[[int, int], None] = lambda done, total: None) -> list[Row]:
    """The readings of a file in the order of their dates.

    ``progress`` is told now and then how many of how many lines are read. Raises ``ValueError`` that
    says what is wrong and on which line.
    """
    lines = _text(path).splitlines(keepends=True)
    reader = csv.reader(lines, strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        if not any(header):
            raise ValueError("The file is empty.")
        missing = [name for name in COLUMNS if name not in header]
        if missing:
            raise ValueError(
                f"The file has no column {_quoted(missing)}. Its first line names {_quoted(header[:10])}; "
                f"needed are {', '.join(COLUMNS)}."
            )
        places = [header.index(name) for name in COLUMNS]
        rows: dict[str, Row] = {}
        for cells in reader:
            if not any(cells):
                continue
            row = _row(cells, places, reader.line_num)
            if row[DATE] in rows:
                raise ValueError(f"Line {reader.line_num}: {row[DATE]} is there twice.")
            rows[row[DATE]] = row
            if len(rows) > MAX_READINGS:
                raise ValueError(f"The file has more than {MAX_READINGS} readings.")
            if len(rows) % 365 == 0:
                progress(reader.line_num, len(lines))
    except csv.Error as error:
        raise ValueError(f"Line {reader.line_num} is not CSV: {error}.") from None
    if not rows:
        raise ValueError("The file has no readings, only its first line.")
    return [rows[day] for day in sorted(rows)]


def read_hourly(path: Path) -> Iterator[tuple[datetime, float]]:
    """``(hour, degrees Celsius)`` of the demo's hourly file."""
    with path.open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            moment = datetime.strptime(line["date"], "%Y/%m/%d %H:%M").replace(tzinfo=UTC)
            yield moment, (float(line["temp"]) - 32) * 5 / 9


def of_year(rows: list[Row], year: int | None) -> list[Row]:
    """The readings of one year; all of them for None. Raises ``ValueError`` when there are none."""
    if year is None:
        return rows
    chosen = [row for row in rows if row[DATE].startswith(f"{year:04d}-")]
    if not chosen:
        raise ValueError(f"The file has no readings of {year}; it has {rows[0][DATE]} to {rows[-1][DATE]}.")
    return chosen


def _text(path: Path) -> str:
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise ValueError("The file is not text in UTF-8, so it cannot be read as CSV.")
    return text


def _row(cells: list[str], places: list[int], line: int) -> Row:
    if len(cells) <= max(places):
        raise ValueError(f"Line {line} has {len(cells)} values, too few for the columns of the first line.")
    values = dict(zip(COLUMNS, (cells[place].strip() for place in places), strict=True))
    weather = values["weather"].lower()
    if not weather or len(weather) > 20:
        raise ValueError(f"Line {line}: the weather is one word, such as rain or sun.")
    numbers = [_number(values[name], name, line) for name in COLUMNS[PRECIPITATION : WIND + 1]]
    return [_date(values["date"], line), *numbers, weather]


def _date(text: str, line: int) -> str:
    for form in _DATE_FORMATS:
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC).date().isoformat()
        except ValueError:
            continue
    raise ValueError(f"Line {line}: {_quoted([text])} is not a date such as 2012/01/31.")


def _number(text: str, name: str, line: int) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"Line {line}: {name} is {_quoted([text])}, not a number.")
    low, high = RANGES[name]
    if not low <= value <= high:
        raise ValueError(f"Line {line}: {name} is {_quoted([text])}, outside {low} to {high}.")
    return value


def _quoted(values: list[str]) -> str:
    """Some text of a file inside an error: short, and on one line."""
    return ", ".join("'{}'".format(" ".join(value.split())[:30]) for value in values) or "nothing"
