import { defineConfig } from 'vite';

// Built by `src/setup.mjs` when the page is missing or older than its sources; served by admin/.
export default defineConfig({
  root: import.meta.dirname,
  base: './',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: { outDir: '../../dist/dashboard', emptyOutDir: true, assetsInlineLimit: 0 },
});
