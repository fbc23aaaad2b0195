/**
 * Builds what is served from jobs_flow_django/static/jobs_flow, and prints the sizes.
 *
 *   node scripts/build.mjs [DIRECTORY]   writes there instead
 *
 * The same sources give the same bytes: what is committed is compared with a build by the tests.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { argv, exit } from "node:process";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "vite";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const TARGET = resolve(argv[2] ?? join(ROOT, "../../jobs_flow_django/static/jobs_flow"));
const { version, license } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));

/** `limit`: bytes that it may have when it is compressed. */
const BUNDLES = [
  { file: "jobs-flow-core.mjs", entry: "src/index.ts", format: "es", limit: 6 * 1024, what: "the client" },
  { file: "jobs-flow.js", entry: "src/global.ts", format: "iife", limit: 16 * 1024, what: "<jobs-flow-progress> and the global JobsFlow" },
  { file: "jobs-flow-run.js", entry: "src/run/index.ts", format: "iife", limit: 40 * 1024, what: "<jobs-flow-run>, and all of jobs-flow.js" },
];

/** Style sheets are written to be read; what lays them out is left out. */
const squeezeStyles = {
  name: "squeeze-styles",
  transform(code, id) {
    return /\/(theme|(\w+_)?style)\.ts$/.test(id) ? { code: code.replaceAll(/`[^`]*`/g, (text) => text.replaceAll(/\s*\n\s*/g, " ")), map: null } : null;
  },
};

const banner = (what) => `/*! jobs-flow ${version}: ${what}. ${license} licence. Built from clients/js; do not edit. */\n`;

async function bundle({ file, entry, format, what }) {
  const output = await build({
    root: ROOT,
    configFile: false,
    logLevel: "warn",
    plugins: [squeezeStyles],
    build: {
      write: false,
      target: "es2022",
      minify: "oxc",
      modulePreload: false,
      lib: { entry: join(ROOT, entry), formats: [format], name: "JobsFlowBundle", fileName: () => file },
    },
  });
  const chunks = output[0].output.filter(({ type }) => type === "chunk");
  if (output[0].output.length !== 1 || chunks.length !== 1) throw new Error(`${file} is more than one file`);
  const code = chunks[0].code.trim().replace(/^var JobsFlowBundle\s*=\s*/, "");
  return `${banner(what)}${code}\n`;
}

/** The module has no copy of its own, so that a page with both has one of everything. */
const moduleOf = (names) => `${banner("the names of jobs-flow.js, for those who import them")}import "./jobs-flow.js";

export const { ${names.join(", ")} } = globalThis.JobsFlow;
`;

const NAMES = /const names = \{([^}]*)\}/.exec(readFileSync(join(ROOT, "src/global.ts"), "utf8"))[1].split(",").map((name) => name.trim());

mkdirSync(TARGET, { recursive: true });
let failed = false;
for (const each of BUNDLES) {
  const code = await bundle(each);
  writeFileSync(join(TARGET, each.file), code);
  const packed = gzipSync(code, { level: 9 }).length;
  const verdict = packed > each.limit ? `  TOO LARGE, at most ${each.limit}` : "";
  console.log(`${each.file.padEnd(20)} ${String(code.length).padStart(7)} bytes ${String(packed).padStart(7)} compressed${verdict}`);
  failed ||= Boolean(verdict);
}
writeFileSync(join(TARGET, "jobs-flow.mjs"), moduleOf(NAMES));
if (failed) exit(1);
