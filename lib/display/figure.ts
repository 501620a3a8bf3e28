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

/** A colour, such as "#0072B2", for each name; other names have the palette's colours in turn. */
export type Colours = Record<string, string>;

/**
 * The colours of lines and markers: people with any kind of colour blindness tell them apart, and each has a contrast of
 * at least 3 to white. The first four are Okabe and Ito's.
 *
 * @see Okabe and Ito, Color Universal Design, 2008
 */
export const palette: readonly string[] = [
  ...["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#4D4D4D", "#332288"],
];

/** Markers differ too, so that a chart printed in grey can be read. */
const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "x", "triangle-down"];

/** How a series looks: by its colour the same in all charts. */
export function look(name: string, place: number, colours: Colours) {
  const colour = Object.hasOwn(colours, name) ? colours[name]! : palette[place % palette.length]!;
  const known = palette.indexOf(colour);
  const symbol = SYMBOLS[(known < 0 ? place : known) % SYMBOLS.length];
  return { colour, marker: { color: colour, symbol, size: 9 } };
}

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

const titleStyle = { x: 0, xanchor: "left", pad: { l: 12 }, font: { size: 16 } };

/** The style of all charts, with a white background on dark pages too. */
const style = {
  font: { family: "Open Sans, Helvetica, Arial, sans-serif", size: 13, color: ink },
  paper_bgcolor: "white",
  plot_bgcolor: "white",
  margin: { l: 60, r: 30, t: 60, b: 55 },
};

/** The layout of the library's own charts. */
export function layout(title: string, rest: Record<string, unknown>): Chart["layout"] {
  return { title: { text: plain(title), ...titleStyle }, ...style, height: 400, ...rest };
}

/** A chart with the same style wherever its layout says nothing else. */
export function styled({ data, layout }: Chart): Chart {
  const template = {
    layout: { ...style, title: titleStyle, colorway: palette, xaxis: gridline, yaxis: gridline },
  };
  return { data, layout: { template, ...layout } };
}

/** A line of small text above the plot. */
export const note = (text: string) => ({
  ...{ text: plain(text), showarrow: false, font: { size: 12 }, align: "left" },
  ...{ xref: "paper", x: 0, xanchor: "left", yref: "paper", y: 1, yanchor: "bottom" },
});

/** Below the picture's plot and the title of its axis, where it covers no curve however narrow the page is. */
export const legendBelow = {
  showlegend: true,
  legend: { orientation: "h", x: 0, xanchor: "left", y: 0, yref: "container", yanchor: "bottom" },
};

/** An accuracy with its 95 % interval. */
export interface AccuracyBar {
  /** What was measured. */
  name: string;
  /** Between 0 and 1, as are the interval's ends. */
  accuracy: number;
  /** Lower end of the interval. */
  low: number;
  /** Upper end of the interval. */
  high: number;
  /** Colour of the marker; the palette's in turn without it. */
  colour?: string;
}

/** Refuses an accuracy outside its interval. */
export function checkBar({ name, accuracy, low, high }: AccuracyBar) {
  if (low <= accuracy && accuracy <= high) return;
  throw new RangeError(
    `Cannot chart '${name}' as 'accuracy' must be between its 'low' and 'high': ` +
      `current value is ${accuracy}, not between ${low} and ${high}`,
  );
}

/** Whiskers from the lower to the upper end. */
export const whiskers = (bars: Omit<AccuracyBar, "name">[], color: string) => ({
  type: "data",
  symmetric: false,
  array: bars.map(({ accuracy, high }) => high - accuracy),
  arrayminus: bars.map(({ accuracy, low }) => accuracy - low),
  ...{ color, thickness: 1.5, width: 5 },
});

/** "0.8932 (0.8829 to 0.9026)". */
export const inWords = ({ accuracy, low, high }: Omit<AccuracyBar, "name">) =>
  `${accuracy.toFixed(4)} (${low.toFixed(4)} to ${high.toFixed(4)})`;
