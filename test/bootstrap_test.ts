import { equal, match, ok } from "node:assert/strict";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Runs set-up in a folder that holds nothing but its files, after some lines of Python. */
async function setUp(before: string, env: Record<string, string> = {}): Promise<string> {
  const folder = await Deno.makeTempDir();
  try {
    for (const file of ["bootstrap.py", "requirements.txt", "deno.json", "deno.lock"]) {
      await Deno.copyFile(root + file, `${folder}/${file}`);
    }
    const code = `${before}\nimport runpy; runpy.run_path("bootstrap.py", run_name="__main__")`;
    const { code: status, stderr } = await new Deno.Command(`${root}.venv/bin/python`, {
      args: ["-c", code],
      cwd: folder,
      env,
    }).output();
    equal(status, 1);
    const text = new TextDecoder().decode(stderr);
    equal(text.trim().split("\n").length, 1, text);
    return text;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("set-up says in one line that the Python is too old", async () => {
  const text = await setUp("import sys; sys.version_info = (3, 9, 1)");
  match(text, /^Cannot set up: Python 3\.10 or newer is needed/);
});

Deno.test("set-up says in one line that there is no compiler", async () => {
  const text = await setUp("", { PATH: "/nonexistent" });
  match(text, /^Cannot set up: no C\+\+ compiler \(g\+\+\)\. Install one/);
});

Deno.test("set-up says in one line that the disk is too small", async () => {
  const text = await setUp(`
import shutil, types
shutil.disk_usage = lambda path: types.SimpleNamespace(free=1e9)`);
  match(text, /^Cannot set up: 5 GB of free disk are needed, 1\.0 GB are free/);
});

Deno.test("set-up says in one line that the registry cannot be reached", async () => {
  const text = await setUp("", {
    PIP_INDEX_URL: "http://127.0.0.1:9/simple",
    PIP_FIND_LINKS: "",
    PIP_NO_CACHE_DIR: "1",
    PIP_RETRIES: "0",
    PIP_CONFIG_FILE: "/dev/null",
  });
  match(text, /^Cannot set up: (PyPI|a package registry) .*cannot be reached/);
});

Deno.test("set-up says in one line that a package is another file than was tested", async () => {
  const text = await setUp(`
from pathlib import Path
wheel = Path("other-1-py3-none-any.whl").absolute()
wheel.write_text("another file")
Path("requirements.txt").write_text(f"other @ {wheel.as_uri()} --hash=sha256:{64 * '0'}")`);
  match(
    text,
    /^Cannot set up: a package is not the file that this project was tested with: do not /,
  );
});

Deno.test("set-up installs nothing without a hash", async () => {
  const { stdout } = await new Deno.Command("git", {
    args: ["ls-files", "requirements.txt", "requirements"],
    cwd: root,
  }).output();
  const files = new TextDecoder().decode(stdout).trim().split("\n");
  equal(files.length, 4);
  for (const file of files) {
    const text = (await Deno.readTextFile(root + file)).replaceAll("\\\n", "");
    const packages = text.split("\n").filter((line) => /^[^#\s]/.test(line));
    ok(packages.length > 0);
    for (const line of packages) match(line, /==\S+ .*--hash=sha256:[0-9a-f]{64}/);
  }
  const pip = (await Deno.readTextFile(`${root}bootstrap.py`)).match(/"pip", "install".*/g);
  equal(pip?.length, 1);
  match(pip![0]!, /--require-hashes/);
});

Deno.test("set-up takes the build of TensorFlow that PyPI has for the processor", async () => {
  const file = await Deno.readTextFile(`${root}requirements/tensorflow-cpu.txt`);
  const lines = file.split("\n").filter((line) => line.startsWith("tensorflow"));
  const { stdout } = await new Deno.Command(`${root}.venv/bin/python`, {
    args: [
      "-c",
      `
import sys
from packaging.requirements import Requirement
for machine in "x86_64", "aarch64":
    for requirement in map(Requirement, sys.argv[1:]):
        if not requirement.marker or requirement.marker.evaluate({"platform_machine": machine}):
            print(machine, requirement.name)`,
      ...lines.map((line) => line.replace(/ *\\$/, "")),
    ],
  }).output();
  equal(new TextDecoder().decode(stdout), "x86_64 tensorflow-cpu\naarch64 tensorflow\n");
});

for (const [source, compile] of [["FUSED", "compile_kernels"], ["QUIET", "compile_binding"]]) {
  Deno.test(`set-up does not ${compile} of ours that have a warning`, async () => {
    const folder = await Deno.makeTempDir();
    try {
      await Deno.writeTextFile(`${folder}/ours.cc`, "int ours() { int unused; return 1; }");
      const { stderr } = await new Deno.Command(`${root}.venv/bin/python`, {
        args: [
          "-Bc",
          `
import bootstrap
from pathlib import Path
folder = Path("${folder}")
bootstrap.LOG = folder / "log"
bootstrap.${source} = folder / "ours.cc"
bootstrap.${compile}(folder / "ours.so")`,
        ],
        cwd: root,
      }).output();
      match(new TextDecoder().decode(stderr), /all warnings being treated as errors/);
      match(await Deno.readTextFile(`${folder}/log`), /unused variable/);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

/** A registry on https://127.0.0.1 whose certificate a company signed; `requests` counts what reached it. */
async function companyRegistry() {
  const folder = await Deno.makeTempDir();
  const sign = async (name: string, args: string[] = []) => {
    const { success, stderr } = await new Deno.Command("openssl", {
      args: [
        ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"],
        ...["-subj", `/CN=${name}`, "-keyout", `${name}.key`, "-out", `${name}.pem`, ...args],
      ],
      cwd: folder,
    }).output();
    ok(success, new TextDecoder().decode(stderr));
  };
  await sign("company");
  await sign("registry", [
    ...["-CA", "company.pem", "-CAkey", "company.key"],
    ...["-addext", "subjectAltName=IP:127.0.0.1"],
    ...["-addext", "basicConstraints=critical,CA:FALSE"],
  ]);
  const registry = { url: "", requests: 0, certificate: `${folder}/company.pem` };
  const server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    cert: await Deno.readTextFile(`${folder}/registry.pem`),
    key: await Deno.readTextFile(`${folder}/registry.key`),
    onListen: ({ port }) => void (registry.url = `https://127.0.0.1:${port}`),
  }, () => {
    registry.requests++;
    return new Response("none", { status: 404 });
  });
  return Object.assign(registry, {
    async [Symbol.asyncDispose]() {
      await server.shutdown();
      await Deno.remove(folder, { recursive: true });
    },
  });
}

/** What set-up says of one command that fails, on a machine that trusts nobody but the system's file of certificates. */
async function failing(words: string, env: Record<string, string>, systems = "/dev/null") {
  const folder = await Deno.makeTempDir();
  const npm = JSON.stringify({ imports: { a: "npm:a@1.0.0" }, nodeModulesDir: "manual" });
  await Deno.writeTextFile(`${folder}/deno.json`, npm);
  const code = `
import bootstrap
from pathlib import Path
bootstrap.ROOT, bootstrap.LOG = Path("${folder}"), Path("${folder}/log")
bootstrap.run(${words})`;
  const { code: status, stderr } = await new Deno.Command(`${root}.venv/bin/python`, {
    args: ["-Bc", code],
    cwd: root,
    clearEnv: true,
    env: {
      PATH: Deno.env.get("PATH")!,
      ...{ HOME: folder, DENO_DIR: `${folder}/cache`, SSL_CERT_FILE: systems, ...env },
    },
  }).output();
  await Deno.remove(folder, { recursive: true });
  equal(status, 1);
  const text = new TextDecoder().decode(stderr);
  equal(text.trim().split("\n").length, 1, text);
  return text;
}

const install = `"${root}.venv/bin/deno", "install"`;

Deno.test("set-up lets Deno trust the certificates of the system, and those that DENO_CERT names", async () => {
  await using registry = await companyRegistry();
  const env = { NPM_CONFIG_REGISTRY: `${registry.url}/` };
  const there = /'a' does not exist/; // the registry has said so
  match(await failing(install, env, registry.certificate), there);
  match(await failing(install, { ...env, DENO_CERT: registry.certificate }), there);
  equal(registry.requests, 2);
});

Deno.test("set-up names the certificate as the cause where Deno does not trust it", async () => {
  await using registry = await companyRegistry();
  const env = { NPM_CONFIG_REGISTRY: `${registry.url}/` };
  const untrusted = /^Cannot set up: Deno does not trust the certificate .*DENO_CERT=/;
  match(await failing(install, env), untrusted);
  const mozilla = { ...env, DENO_TLS_CA_STORE: "mozilla" }; // the user's choice is kept
  match(await failing(install, mozilla, registry.certificate), untrusted);
  equal(registry.requests, 0);
});

Deno.test("set-up names the certificate as the cause where pip does not trust it", async () => {
  await using registry = await companyRegistry();
  const pip = `"${root}.venv/bin/python", "-m", "pip", "download", "--no-cache-dir", "a"`;
  const env = {
    PIP_INDEX_URL: `${registry.url}/simple`,
    PIP_RETRIES: "0",
    PIP_CONFIG_FILE: "/dev/null",
  };
  match(
    await failing(pip, env),
    /^Cannot set up: pip does not trust the certificate .*PIP_CERT=/,
  );
  equal(registry.requests, 0);
  match(await failing(pip, { ...env, PIP_CERT: registry.certificate }), /PyPI has no package/);
  ok(registry.requests > 0);
});

Deno.test("set-up says of each step how long it may take", async () => {
  const code = `
import bootstrap
bootstrap.check_machine = lambda gpu: None
def told(name, wait, action, target, *inputs):
    print(f"{name}: {wait}")
bootstrap.step = told
bootstrap.main()`;
  const { stdout } = await new Deno.Command(`${root}.venv/bin/python`, {
    args: ["-Bc", code],
    cwd: root,
  }).output();
  const lines = new TextDecoder().decode(stdout).trim().split("\n");
  equal(lines.length, 8);
  for (const line of lines) {
    match(line, /: (downloads about \d+|compiles for about \d+|some seconds|a moment)/);
  }
});
