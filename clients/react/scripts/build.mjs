/**
 * Builds the package into dist, and prints its sizes: alone, and with the client core, as an application ships it.
 *
 *   node scripts/build.mjs [DIRECTORY]   writes there instead
 *
 * The same sources give the same bytes: what is committed is compared with a build by the tests.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { argv, execPath, exit } from "node:process";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "vite";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const TARGET = resolve(argv[2] ?? join(ROOT, "dist"));
/** Bytes that it may have when it is compressed, alone and with the client core (6 KB at most). */
const LIMIT = 12 * 1024;
const LIMIT_WITH_CLIENT = 18 * 1024;
const { version, license } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
const banner = `/*! @jobs-flow/react ${version}. ${license} licence. Built from clients/react; do not edit. */\n`;

async function bundle(external) {
  const output = await build({
    root: ROOT,
    configFile: false,
    logLevel: "warn",
    build: {
      write: false,
      target: "es2022",
      minify: "oxc",
      modulePreload: false,
      lib: { entry: join(ROOT, "src/index.ts"), formats: ["es"], fileName: () => "index.js" },
      // Vite keeps the white space of modules, for the sake of annotations that there are none of here.
      rolldownOptions: { external, output: { minify: true } },
    },
  });
  if (output[0].output.length !== 1) throw new Error("the package is more than one file");
  return `${banner}${output[0].output[0].code.trim()}\n`;
}

const report = (name, text, limit = LIMIT) => {
  const packed = gzipSync(text, { level: 9 }).length;
  const verdict = packed > limit ? `  TOO LARGE, at most ${limit}` : "";
  console.log(`${name.padEnd(34)} ${String(text.length).padStart(7)} bytes ${String(packed).padStart(7)} compressed${verdict}`);
  return !verdict;
};

const REACT = [/^react(-dom)?($|\/)/];
const alone = await bundle([...REACT, /^@jobs-flow\/client($|\/)/]);
const styles = readFileSync(join(ROOT, "src/jobs-flow.css"), "utf8");

rmSync(TARGET, { recursive: true, force: true });
mkdirSync(TARGET, { recursive: true });
writeFileSync(join(TARGET, "index.js"), alone);
writeFileSync(join(TARGET, "jobs-flow.css"), styles);
const tsc = createRequire(import.meta.url).resolve("typescript/package.json");
execFileSync(
  execPath,
  [join(dirname(tsc), "bin/tsc"), "-p", ROOT, "--noEmit", "false", "--declaration", "--emitDeclarationOnly", "--outDir", join(TARGET, "types"), "--rootDir", join(ROOT, "src")],
  { stdio: "inherit" },
);

const fits = [report("react: index.js", alone), report("react: index.js with the client", await bundle(REACT), LIMIT_WITH_CLIENT), report("react: jobs-flow.css", styles)];
if (fits.includes(false)) exit(1);
