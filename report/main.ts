/**
 * Builds the report of the last run anew from its executed notebooks, and as one PDF: `deno task report`. PROFILE, DATA,
 * SETTINGS or RUN choose the run.
 */
import { checkVariables, NOTEBOOKS, runFolder, runName } from "course";
import { isFile, lockFolder } from "../lib/files.ts";
import { findBrowser } from "./browser.ts";
import { buildReport } from "./build.ts";
import { writePdf } from "./pdf.ts";

async function main() {
  checkVariables();
  const folder = runFolder(runName());
  const report = `${folder}/report`;
  const files = (type: string) => NOTEBOOKS.map((name) => `${report}/${name}.${type}`);
  for (const path of [...files("ipynb"), `${folder}/metrics.json`]) {
    if (await isFile(path)) continue;
    throw new Error(
      `Cannot build the report as ${path} must be of a run that has ended: it does not exist. ` +
        "Run 'make run' first, with the same PROFILE, DATA, SETTINGS or RUN",
    );
  }
  using _ = await lockFolder(folder);
  const index = await buildReport(files("ipynb"), report, `${folder}/metrics.json`);
  console.log(`report: ${index}`);
  const browser = findBrowser();
  if (browser) console.log(`PDF: ${await writePdf(index, files("html"), browser)}`);
  else console.log("no PDF: install Chromium, or set CHROMIUM to its program");
}

await main().catch((error: Error) => {
  console.error(error.message);
  Deno.exit(1);
});
