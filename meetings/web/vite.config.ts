import { createHash } from 'node:crypto'
import { cpSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vitest/config'
import type { Plugin } from 'vite'

const out = join(import.meta.dirname, '../static')

/** What pdf.js fetches while it runs: character maps, the 14 standard fonts, decoders, colour profiles. */
function pdfjsFiles(): Plugin {
  const from = join(import.meta.dirname, 'node_modules/pdfjs-dist')
  return {
    name: 'pdfjs-files',
    apply: 'build',
    closeBundle() {
      const to = join(out, 'assets/pdfjs')
      mkdirSync(to, { recursive: true })
      for (const folder of ['cmaps', 'standard_fonts', 'wasm', 'iccs']) cpSync(join(from, folder), join(to, folder), { recursive: true })
    },
  }
}

/** The fonts of the pages that are made without this build (meetings/pages), under names that do not change. */
function pageFonts(): Plugin {
  const from = join(import.meta.dirname, 'node_modules/@fontsource')
  return {
    name: 'page-fonts',
    apply: 'build',
    closeBundle() {
      const to = join(out, 'assets/fonts')
      mkdirSync(to, { recursive: true })
      for (const weight of [400, 600, 700])
        for (const [font, subset] of [['be-vietnam-pro', 'latin'], ['be-vietnam-pro', 'vietnamese'], ['inter', 'latin']] as const)
          cpSync(join(from, font, `files/${font}-${subset}-${weight}-normal.woff2`), join(to, `${font}-${subset}-${weight}-normal.woff2`))
    },
  }
}

/** Tells the service worker which files make up this release. */
function shell(): Plugin {
  return {
    name: 'shell',
    apply: 'build',
    enforce: 'post',
    generateBundle(_, bundle) {
      const files = Object.keys(bundle).filter((name) => name.startsWith('assets/')).map((name) => `/${name}`).sort()
      const worker = bundle['sw.js']
      if (worker?.type !== 'chunk' || worker.imports.length) this.error('the service worker has to be one file')
      const release = createHash('sha256').update(files.join()).digest('hex').slice(0, 12)
      worker.code = `const SHELL=${JSON.stringify(files)},RELEASE=${JSON.stringify(release)};\n${worker.code}`
    },
  }
}

export default defineConfig({
  base: '/',
  plugins: [svelte(), pdfjsFiles(), pageFonts(), shell()],
  build: {
    outDir: out,
    emptyOutDir: true,
    target: ['es2022', 'chrome100', 'safari16'],
    assetsInlineLimit: 0, // the content security policy lets fonts and pictures come from files only
    chunkSizeWarningLimit: 700,
    rolldownOptions: {
      input: { index: join(import.meta.dirname, 'index.html'), sw: join(import.meta.dirname, 'src/offline/worker.ts') },
      output: { entryFileNames: ({ name }) => (name === 'sw' ? 'sw.js' : 'assets/[name]-[hash].js') },
    },
  },
  resolve: { conditions: ['browser'] },
  test: { include: ['src/**/*.test.ts', 'tests/**/*.test.ts'], environment: 'node', testTimeout: 60_000 },
})
