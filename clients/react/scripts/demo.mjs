/**
 * Builds the React page of the test project, out of the package as it is built, into its static files.
 *
 *   node scripts/demo.mjs [DIRECTORY]   writes there instead
 */
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { argv } from "node:process";
import { fileURLToPath } from "node:url";
import { build } from "vite";

const HERE = dirname(dirname(fileURLToPath(import.meta.url)));
const CLIENTS = dirname(HERE);
const FRONTEND = join(CLIENTS, "../testproject/frontend");
const TARGET = resolve(argv[2] ?? join(CLIENTS, "../testproject/static/testproject/react"));

const modules = (name) => join(CLIENTS, "node_modules", name);
const output = await build({
  root: FRONTEND,
  configFile: false,
  logLevel: "warn",
  define: { "process.env.NODE_ENV": '"production"' },
  resolve: {
    alias: [
      { find: /^@jobs-flow\/react$/, replacement: join(HERE, "dist/index.js") },
      { find: /^@jobs-flow\/react\//, replacement: join(HERE, "dist/") },
      { find: /^@jobs-flow\/client\/shared$/, replacement: join(CLIENTS, "js/dist/shared.js") },
      { find: /^@jobs-flow\/client$/, replacement: join(CLIENTS, "js/dist/index.js") },
      { find: /^react(?=\/|$)/, replacement: modules("react") },
      { find: /^react-dom(?=\/|$)/, replacement: modules("react-dom") },
    ],
  },
  build: {
    write: false,
    target: "es2022",
    modulePreload: false,
    minify: "oxc",
    cssMinify: true,
    lib: { entry: join(FRONTEND, "src/main.tsx"), formats: ["es"], fileName: () => "page.js", cssFileName: "page" },
    rolldownOptions: { output: { minify: true } },
  },
});

const { version } = JSON.parse(readFileSync(join(modules("react"), "package.json"), "utf8"));
const banner = `/*! The React page of the jobs-flow demo, with React ${version} (LICENSE-react.txt). Built from testproject/frontend; do not edit. */\n`;

rmSync(TARGET, { recursive: true, force: true });
mkdirSync(TARGET, { recursive: true });
copyFileSync(join(modules("react"), "LICENSE"), join(TARGET, "LICENSE-react.txt"));
for (const file of output[0].output) {
  const text = String(file.code ?? file.source);
  writeFileSync(join(TARGET, file.fileName), `${file.code ? banner : ""}${text.trim()}\n`);
  console.log(`demo: ${file.fileName.padEnd(28)} ${String(text.length).padStart(7)} bytes`);
}
