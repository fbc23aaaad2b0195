/**
 * Builds what npm installs of the client, into dist: modules of JavaScript, each with its types.
 *
 *   node scripts/package.mjs [DIRECTORY]   writes there instead
 *
 * Neither bundled nor minified: that is for the application's own tools, which take out of it what they need.
 */
import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { argv, execPath } from "node:process";
import { fileURLToPath } from "node:url";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const TARGET = resolve(argv[2] ?? join(ROOT, "dist"));
const compiler = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin/tsc");

rmSync(TARGET, { recursive: true, force: true });
execFileSync(execPath, [compiler, "-p", join(ROOT, "tsconfig.build.json"), "--outDir", TARGET], { stdio: "inherit" });
