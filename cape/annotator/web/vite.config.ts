import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// The server sends a strict content security policy: nothing inline, nothing from elsewhere. So no asset becomes a
// data: address, and the module preload helper (an inline script in some browsers) is off.
export default defineConfig({
  plugins: [react()],
  base: "/",
  build: {
    outDir: "../static",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: false,
    target: "es2022",
    sourcemap: false,
  },
  test: { environment: "node", include: ["tests/**/*.test.ts"] },
});
