import type { DownloadProgress } from "../hub/settings.ts";
import { visible } from "../text.ts";
import { textHtml } from "./grid.ts";
import { openLiveOutput } from "./output.ts";

/** Draws a progress bar as HTML, with a label to its right. */
export function progressBar(value: number, max: number, label: string): string {
  const bar = `<progress value="${value}" max="${max || 1}" style="max-width: 100%; width: 300px">`;
  const text = `<span style="display: inline-block">${textHtml(label)}</span>`;
  return `<div>${bar}</progress> ${text}</div>`;
}

/**
 * Shows the progress of a download: a bar with the rate and the current file; outside Jupyter, a
 * line when it is complete.
 *
 * @returns The `onProgress` of {@link HubOptions}.
 *
 * @example
 * ```ts ignore
 * import { downloadModel, showProgress } from "lightweight-finetuning";
 * const folder = await downloadModel("FacebookAI/roberta-base", { onProgress: showProgress() });
 * ```
 */
export function showProgress(): (progress: DownloadProgress) => Promise<void> {
  const redraw = openLiveOutput();
  return async (progress) => {
    const { file, files, totalFiles, bytes, totalBytes, bytesPerSecond } = progress;
    const complete = files === totalFiles;
    const parts = [
      complete ? megabytes(bytes) : `${megabytes(bytes)} of ${megabytes(totalBytes)}`,
      complete ? `${files} files` : `${files} of ${totalFiles} files`,
      `${megabytes(bytesPerSecond)}/s`,
      ...(complete ? [] : [visible(file)]),
    ];
    const label = parts.join(", ");
    if (redraw) {
      await redraw(() => ({
        "text/html": progressBar(bytes, totalBytes, label),
        "text/plain": label,
      }), complete);
    } else if (complete) {
      console.log(label);
    }
  };
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
