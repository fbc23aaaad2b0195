"""Reading weather files: what is right is read, what is wrong is said with its line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from testproject.weather import measures, readings

HEADER = "date,precipitation,temp_max,temp_min,wind,weather\n"
Write = Callable[[str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A function that makes a file with that content."""

    def make(content: str | bytes) -> Path:
        path = tmp_path / "mine.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


class TestDaily:
    def test_the_demos_file(self) -> None:
        told: list[tuple[int, int]] = []
        rows = readings.read_daily(readings.DATA_DIR / readings.DAILY, lambda done, total: told.append((done, total)))
        assert len(rows) == 1461
        assert rows[0] == ["2012-01-01", 0.0, 12.8, 5.0, 4.7, "drizzle"]
        assert rows[-1][0] == "2015-12-31"
        assert [total for _, total in told] == [1462] * 4

    def test_other_orders_dates_spaces_and_more_columns_are_fine(self, write: Write) -> None:
        header = "\N{ZERO WIDTH NO-BREAK SPACE}Weather, wind,temp_min,temp_max,precipitation,date,station"
        text = f"{header}\nSun, 1,2,3,4,2020-02-29,x\nrain,1,2,3,0,2020-02-28,x\n\n"
        assert readings.read_daily(write(text)) == [
            ["2020-02-28", 0.0, 3.0, 2.0, 1.0, "rain"],
            ["2020-02-29", 4.0, 3.0, 2.0, 1.0, "sun"],
        ]

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            pytest.param("", r"The file is empty\.", id="empty"),
            pytest.param("\n\n", r"The file is empty\.", id="blank"),
            pytest.param(HEADER, r"no readings, only its first line", id="header alone"),
            pytest.param(b"\x89PNG\r\n\x1a\n\x00", r"not text in UTF-8", id="picture"),
            pytest.param("a,b\0\n", r"not text in UTF-8", id="null character"),
            pytest.param("date,wind\n", r"no column 'precipitation', 'temp_max', 'temp_min', 'weather'", id="columns"),
            pytest.param(HEADER + "2020/01/01,0,1\n", r"Line 2 has 3 values", id="short line"),
            pytest.param(HEADER + "2020/13/01,0,1,1,1,sun\n", r"Line 2: '2020/13/01' is not a date", id="date"),
            pytest.param(HEADER + "2020/01/01,0,x,1,1,sun\n", r"Line 2: temp_max is 'x', not a number", id="number"),
            pytest.param(HEADER + "2020/01/01,nan,1,1,1,sun\n", r"precipitation is 'nan', not a number", id="nan"),
            pytest.param(HEADER + "2020/01/01,0,1,1,1e9,sun\n", r"wind is '1e9', outside 0 to 120", id="range"),
            pytest.param(HEADER + "2020/01/01,0,1,1,1,\n", r"Line 2: the weather is one word", id="weather"),
            pytest.param(HEADER + "2020/01/01,0,1,1,1,sun\n" * 2, r"Line 3: 2020-01-01 is there twice", id="twice"),
            pytest.param(HEADER + '"2020/01/01,0\n', r"Line 2 is not CSV", id="quotes"),
        ],
    )
    def test_what_is_wrong_is_said(self, write: Write, content: str | bytes, reason: str) -> None:
        with pytest.raises(ValueError, match=reason):
            readings.read_daily(write(content))

    def test_an_error_shows_only_a_little_of_a_file_on_one_line(self, write: Write) -> None:
        with pytest.raises(ValueError, match="not a date") as caught:
            readings.read_daily(write(HEADER + '"' + "x\n" * 5000 + '",0,1,1,1,sun\n'))
        assert len(str(caught.value)) < 100
        assert "\n" not in str(caught.value)

    def test_one_year(self) -> None:
        rows = readings.read_daily(readings.DATA_DIR / readings.DAILY)
        assert len(readings.of_year(rows, 2012)) == 366
        assert readings.of_year(rows, None) is rows
        with pytest.raises(ValueError, match=r"no readings of 1999; it has 2012-01-01 to 2015-12-31\."):
            readings.of_year(rows, 1999)


class TestFind:
    @pytest.mark.parametrize("uploaded", [True, False])
    @pytest.mark.parametrize(
        "name",
        [
            "../seattle-weather.csv",
            "/etc/passwd",
            "SOURCE.md",
            "",
            ".",
            "x.csv",
            "a" * 32 + ".csv",
            "seattle-weather.csv\0",
        ],
    )
    def test_only_the_demos_file_and_uploads_are_found(
        self, settings: object, tmp_path: Path, name: str, uploaded: bool
    ) -> None:
        settings.MEDIA_ROOT = tmp_path  # type: ignore[attr-defined]
        with pytest.raises(ValueError, match="no such file of readings"):
            readings.find(name, uploaded=uploaded)


class TestMeasures:
    ROWS = (
        ["2020-01-30", 0.0, 1.0, -5.0, 2.0, "snow"],
        ["2020-01-31", 0.0, 2.0, -1.0, 9.0, "sun"],
        ["2020-02-01", 3.0, 8.0, 4.0, 4.0, "rain"],
        ["2020-02-02", 5.0, 9.0, 5.0, 3.0, "rain"],
        ["2020-12-03", 1.0, 31.0, 5.0, 3.0, "snow"],
    )

    def test_temperatures_of_each_month(self) -> None:
        january, february, december = measures.monthly_temperatures(self.ROWS)
        assert january == {"month": 1, "low": -3.0, "high": 1.5, "coldest": -5.0, "hottest": 2.0}
        assert (february["month"], december["month"]) == (2, 12)

    def test_extremes(self) -> None:
        figures = {item["label"]: item["value"] for item in measures.temperature_figures(self.ROWS)}
        assert figures == {
            "Hottest day": "31.0 °C, 3 Dec 2020",
            "Coldest night": "−5.0 °C, 30 Jan 2020",
            "Days over 30 °C": "1",
            "Nights of frost": "2",
        }

    def test_a_gap_ends_a_spell(self) -> None:
        figures = {item["label"]: item["value"] for item in measures.spell_figures(self.ROWS)}
        assert figures == {
            "Longest wet spell": "2 days from 1 Feb 2020",
            "Longest dry spell": "2 days from 30 Jan 2020",
        }
        assert measures.spell_figures(self.ROWS[-1:])[1]["value"] == "none"

    def test_kinds_by_frequency_and_snow_by_winter(self) -> None:
        assert list(measures.skies(self.ROWS)) == ["snow", "rain", "sun"]
        assert measures.skies(self.ROWS)["rain"] == [0, 2, *[0] * 10]
        assert [item["value"] for item in measures.snow_figures(self.ROWS)] == ["2", "3 Dec 2020", "30 Jan 2020"]

    def test_hours(self) -> None:
        means = measures.hourly_means(readings.read_hourly(readings.DATA_DIR / readings.HOURLY))
        assert (len(means), len(means[0])) == (24, 12)
        assert means[15][7] > means[5][7] > means[5][0]
