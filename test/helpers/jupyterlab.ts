import { chromium, type Page } from "playwright-core";
import { findBrowser } from "../../report/browser.ts";
import { root } from "./notebook.ts";

/** The browser's program; undefined where there is none, and tests that need it are ignored. */
export const browserFile = findBrowser();
if (!browserFile) {
  console.log("JupyterLab tests ignored: no Chromium on PATH. Install it or set CHROMIUM to it.");
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** Starts JupyterLab by a command that takes its options, and a browser; its own files are in `folder`. */
export async function startJupyterLab(
  command: string,
  args: string[],
  { folder, cwd = root, env = {} }: { folder: string; cwd?: string; env?: Record<string, string> },
) {
  const port = freePort();
  const server = new Deno.Command(command, {
    args: [
      ...args,
      "--no-browser",
      "--allow-root",
      `--ServerApp.port=${port}`,
      "--IdentityProvider.token=test",
    ],
    cwd,
    env: {
      ...env,
      JUPYTER_CONFIG_DIR: `${folder}/config`,
      JUPYTER_RUNTIME_DIR: `${folder}/runtime`,
    },
    stdout: "null",
    stderr: "null",
  }).spawn();
  const url = `http://127.0.0.1:${port}`;
  const browser = await chromium.launch({
    executablePath: browserFile!,
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  const answers = () => fetch(`${url}/api?token=test`).then((r) => r.text()).catch(() => "");
  while (!await answers()) await new Promise((done) => setTimeout(done, 200));
  const page = await browser.newPage();
  page.setDefaultTimeout(60_000);
  return {
    url,
    page,
    async [Symbol.asyncDispose]() {
      await browser.close();
      await fetch(`${url}/api/shutdown?token=test`, { method: "POST" }).catch(() => {});
      await server.status;
    },
  };
}

/** Chooses an item of a menu of JupyterLab's. */
export async function menu(page: Page, name: string, item: string) {
  await page.getByRole("menuitem", { name, exact: true }).click();
  await page.getByRole("menuitem", { name: item }).first().click();
}
