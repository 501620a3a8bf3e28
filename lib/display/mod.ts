/**
 * Tables, charts and progress, in a notebook and outside: interactive, as pictures, and as text.
 *
 * @module
 */

export { drawPng, showChart } from "./chart.ts";
export { type AccuracyBar, accuracyChart } from "./accuracy_charts.ts";
export { confusionChart } from "./confusion_chart.ts";
export type { Chart } from "./figure.ts";
export { lossChart } from "./training_charts.ts";
export { escapeMarkdown, markdownCode, toYaml, visible } from "../text.ts";
export { escapeHtml, type Grid, gridHtml, gridText } from "./grid.ts";
export { type Drawing, showDrawing } from "./drawing.ts";
export { showProgress } from "./progress.ts";
export { showTable, type TableOptions } from "./table.ts";
export { showTraining } from "./training.ts";
