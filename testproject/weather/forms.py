"""What a user says to get a report, and the upload of readings."""

from __future__ import annotations

import secrets
from typing import Any

from django import forms
from django.conf import settings
from django.core.files import File
from django.template.defaultfilters import filesizeformat

from testproject.weather import readings
from testproject.weather.workflows import report_data

YEARS = (2012, 2013, 2014, 2015)


class ReportForm(forms.Form):
    """A report on the demo's readings, or on a file of one's own."""

    year = forms.TypedChoiceField(
        choices=[("", "All years"), *((str(year), str(year)) for year in YEARS)],
        coerce=int,
        empty_value=None,
        required=False,
        label="Year",
    )
    rain = forms.BooleanField(required=False, initial=True, label="Rain and dry spells too")
    file = forms.FileField(
        required=False,
        label="Readings of your own",
        help_text="Optional: a CSV file with the columns date, precipitation, temp_max, temp_min, wind, weather.",
        widget=forms.FileInput(attrs={"accept": ".csv,text/csv"}),
    )

    def clean_file(self) -> File[bytes] | None:
        """Only what could be readings: its name and size. What is in it, the first task judges."""
        file: File[bytes] | None = self.cleaned_data["file"]
        if file is None:
            return None
        if not str(file.name).lower().endswith(".csv"):
            raise forms.ValidationError("Choose a file whose name ends in .csv.")
        if (file.size or 0) > settings.WEATHER_UPLOAD_LIMIT:
            limit = filesizeformat(settings.WEATHER_UPLOAD_LIMIT)
            raise forms.ValidationError(f"The file is larger than {limit}.")
        return file

    def data_of_instance(self) -> dict[str, Any]:
        """The data for ``weather_report``; an upload is saved under a name of our own."""
        year, rain = self.cleaned_data["year"], self.cleaned_data["rain"]
        if (file := self.cleaned_data["file"]) is None:
            return report_data(year=year, rain=rain)
        # The name that the browser sent is only ever shown; what is opened has a name made here.
        label = " ".join(str(file.name)[: -len(".csv")].split())[:60]
        return report_data(file=save_upload(file), uploaded=True, label=label or "Upload", year=year, rain=rain)


def save_upload(file: File[bytes]) -> str:
    """Save the file among the uploads; the name it got there."""
    directory = readings.upload_dir()
    directory.mkdir(parents=True, exist_ok=True)
    name = f"{secrets.token_hex(16)}.csv"
    with (directory / name).open("xb") as target:
        for chunk in file.chunks():
            target.write(chunk)
    return name
