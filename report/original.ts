import { besideOriginal, ORIGINAL, type RunMetrics } from "course";
import { escapeHtml, gridHtml } from "lightweight-finetuning/display";
import type { Histories } from "./index.ts";

/**
 * The run's figures beside the original experiment's, and in what they differ.
 *
 * @returns A part of the page; empty for a run on other data, which has nothing to compare.
 */
export function originalSection(metrics: RunMetrics, histories: Histories): string {
  if (metrics.settings?.data !== ORIGINAL.data) return "";
  const { rows, why } = besideOriginal(metrics, histories);
  return `<h2>This run beside the original</h2>
<p>${escapeHtml(why)}</p>
<div class="wide">${
    gridHtml({
      columns: ["Figure", "This run", "Original"],
      cells: rows.map(({ figure, ours, original }) => [figure, ours, original]),
      right: new Set([1, 2]),
    })
  }</div>`;
}
