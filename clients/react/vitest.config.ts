import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** Through Vite, so that the alias below is theirs as well. */
const inline = [/@testing-library\/react/];

/** What is pure is tested once; what React draws, on both versions that we promise. */
export default defineConfig({
  test: {
    projects: [
      { test: { name: "pure", include: ["test/pure/**/*.test.ts"], environment: "node" } },
      {
        test: {
          name: "react-19",
          env: { REACT: "19" },
          include: ["test/dom/**/*.test.tsx"],
          environment: "jsdom",
          // One environment for all files: making it takes longer than most of them.
          isolate: false,
          setupFiles: ["test/support/setup.ts"],
          server: { deps: { inline } },
        },
      },
      {
        resolve: {
          alias: [
            { find: /^react(?=\/|$)/, replacement: at("../react-18/node_modules/react") },
            // As a module: what it requires itself, no alias reaches.
            { find: /^@testing-library\/react$/, replacement: at("../node_modules/@testing-library/react/dist/@testing-library/react.esm.js") },
            { find: /^react-dom(?=\/|$)/, replacement: at("../react-18/node_modules/react-dom") },
          ],
        },
        test: {
          name: "react-18",
          env: { REACT: "18" },
          include: ["test/dom/**/*.test.tsx"],
          environment: "jsdom",
          isolate: false,
          setupFiles: ["test/support/setup.ts"],
          server: { deps: { inline } },
        },
      },
    ],
  },
});
