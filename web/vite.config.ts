import { defineConfig } from "vite"

// The dashboard is embedded in the binary and served under a strict CSP: everything is a file of its own, nothing inline.
export default defineConfig({
  base: "./",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    cssCodeSplit: false,
    reportCompressedSize: false,
  },
  server: { proxy: { "/api": process.env.PBT_API ?? "http://127.0.0.1:8790" } },
})
