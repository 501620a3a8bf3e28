/**
 * Tables, charts and progress, in a notebook and outside: interactive, as pictures, and as text.
 *
 * @module
 */

export { showChart } from "./chart.ts";
export { accuracyChart, confusionChart, lossChart } from "./charts.ts";
export type { AccuracyBar, Chart } from "./charts.ts";
export { escapeHtml, gridHtml, gridText } from "./grid.ts";
export type { Grid } from "./grid.ts";
export { drawPng } from "./picture.ts";
export { showProgress } from "./progress.ts";
export { showTable } from "./table.ts";
export type { TableOptions } from "./table.ts";
export { showTraining } from "./training.ts";
