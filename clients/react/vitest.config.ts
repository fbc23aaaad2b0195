import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** Through Vite, so that the alias below is theirs as well. */
const inline = [/@testing-library\/react/];

/** On a busy machine five seconds, the default, are over before anything was drawn. */
const patient = { testTimeout: 120_000, hookTimeout: 120_000 };

/** What is pure is tested once; what React draws, on both versions that we promise. */
export default defineConfig({
  test: {
    projects: [
      { test: { ...patient, name: "pure", include: ["test/pure/**/*.test.ts"], environment: "node" } },
      {
        test: {
          ...patient,
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
          ...patient,
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
