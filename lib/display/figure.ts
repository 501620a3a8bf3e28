import { visible } from "../text.ts";

/** A Plotly figure: its traces and its layout, as plotly.js takes them. */
export interface Chart {
  /** The traces. */
  data: Record<string, unknown>[];
  /** Title, axes and size; 700 by 400 pixels where it names no size. */
  layout: Record<string, unknown> & { width?: number; height?: number };
  /** Describes the chart in words, for readers who cannot see it and for logs. */
  alt?: string;
}

// Okabe and Ito's colours, which people with any kind of colour blindness tell apart.
export const colours = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00"];
export const ink = "#333333";
export const gridline = {
  gridcolor: "#E5E5E5",
  linecolor: "#999999",
  zeroline: false,
  automargin: true,
};
export const axisTitle = (text: string) => ({ text, standoff: 12 });

/** Text that Plotly draws as it is: it reads <b>, <a> and &amp; as HTML does, and $…$ as LaTeX. */
export const plain = (text: string) =>
  visible(text).replace(/[&<>$]/g, (character) => `&#${character.charCodeAt(0)};`);

/** An axis of names at 0, 1, 2, …: Plotly would merge two that are alike, and take "1" for a number. */
export const named = (names: string[]) => ({
  ...gridline,
  showgrid: false,
  ticks: "",
  tickvals: [...names.keys()],
  ticktext: names.map(plain),
});

/** The layout of all charts, with a white background on dark pages too. */
export function layout(title: string, rest: Record<string, unknown>): Chart["layout"] {
  return {
    title: { text: plain(title), x: 0, xanchor: "left", pad: { l: 12 }, font: { size: 16 } },
    font: { family: "Open Sans, Helvetica, Arial, sans-serif", size: 13, color: ink },
    paper_bgcolor: "white",
    plot_bgcolor: "white",
    margin: { l: 60, r: 30, t: 60, b: 55 },
    height: 400,
    ...rest,
  };
}
