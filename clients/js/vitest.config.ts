import { defineConfig } from "vitest/config";

/** Properties are tried hundreds of times, which on a busy machine takes longer than the five seconds of the default. */
export default defineConfig({ test: { testTimeout: 120_000, hookTimeout: 120_000 } });
