import vue from "@vitejs/plugin-vue";
import { defineConfig } from "vitest/config";

/** Where a running `fengsui up` or `fengsui demo` listens, for `npm run dev` only. */
const server = process.env.FENGSUI_URL ?? "http://127.0.0.1:8080";

export default defineConfig({
  base: "./",
  plugins: [vue()],
  define: {
    __VUE_OPTIONS_API__: false,
    __VUE_PROD_DEVTOOLS__: false,
    __VUE_I18N_FULL_INSTALL__: false,
    __VUE_I18N_LEGACY_API__: false,
    __INTLIFY_PROD_DEVTOOLS__: false,
  },
  build: {
    target: "es2022",
    // The strict Content-Security-Policy takes no data: scripts or styles, and an icon less is no loss.
    assetsInlineLimit: 0,
    // A polyfill that recent browsers do not need.
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700,
  },
  server: {
    host: "127.0.0.1",
    proxy: {
      "/api": { target: server, ws: true },
      "/signin": { target: server },
    },
  },
  test: { environment: "node", include: ["src/**/*.test.ts"] },
});
