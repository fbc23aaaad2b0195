// Written by `manage.py jobs_flow_types`; do not edit.
import "@jobs-flow/client";

export interface Figure {
  label: string;
  value: string;
}

export interface Report {
  title: string;
  period: { [key: string]: unknown };
  summary: string;
  sections: Section[];
  source: string;
  page: string;
}

export interface ReportData {
  file: string;
  uploaded: boolean;
  label: string;
  year: number | null;
  rain: boolean;
}

export interface Section {
  section: string;
  title: string;
  figures: Figure[];
  plot: string | null;
  alt: string;
}

declare module "@jobs-flow/client" {
  interface Workflows {
    weather_report: {
      data: ReportData;
      paths:
        | "#.load"
        | "#.measures"
        | "#.measures.hours"
        | "#.measures.rain"
        | "#.measures.rain.amounts"
        | "#.measures.rain.spells"
        | "#.measures.sky"
        | "#.measures.sky.kinds"
        | "#.measures.sky.snow"
        | "#.measures.temperature"
        | "#.measures.temperature.curve"
        | "#.measures.temperature.extremes"
        | "#.measures.wind"
        | "#.report";
      bodies: {
        "#.load": unknown[][];
        "#.measures": { [key: string]: unknown };
        "#.measures.hours": Section;
        "#.measures.rain": { [key: string]: unknown }[];
        "#.measures.rain.amounts": Section;
        "#.measures.rain.spells": Section;
        "#.measures.sky": { [key: string]: number[] };
        "#.measures.sky.kinds": Section;
        "#.measures.sky.snow": Section;
        "#.measures.temperature": { [key: string]: unknown }[];
        "#.measures.temperature.curve": Section;
        "#.measures.temperature.extremes": Section;
        "#.measures.wind": Section;
        "#.report": Report;
      };
    };
  }
}
