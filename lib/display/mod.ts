/**
 * Tables, charts and progress, in a notebook and outside: interactive, as pictures, and as text.
 *
 * @module
 */

export { drawPng, showChart } from "./chart.ts";
export { accuracyChart, type TrainedAccuracy, weightsChart } from "./accuracy_charts.ts";
export { confusionChart, confusionCharts } from "./confusion_chart.ts";
export { accuracyByLengthChart, type LengthRows, reliabilityChart } from "./evaluation_charts.ts";
export { type AccuracyBar, type Chart, type Colours, palette } from "./figure.ts";
export { learningRateChart, lossChart } from "./training_charts.ts";
export { escapeMarkdown, markdownCode, toYaml, visible } from "../text.ts";
export { escapeHtml, type Grid, gridHtml, gridText } from "./grid.ts";
export { type Drawing, showDrawing } from "./drawing.ts";
export { showProgress } from "./progress.ts";
export { showTable, type TableOptions } from "./table.ts";
export { showTraining } from "./training.ts";
