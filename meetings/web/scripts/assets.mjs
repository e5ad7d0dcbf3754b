// Copies the font files that documents are set with to docs_store/fonts/; docs_store/fonts.py says which.
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'

const web = join(import.meta.dirname, '..')
const root = join(web, '../..')
const ask = 'import json; from docs_store import fonts; print(json.dumps([fonts.PACKAGE, fonts.FILES]))'
const [from, files] = JSON.parse(execFileSync(process.env.PYTHON ?? 'python3', ['-c', ask], { cwd: root, encoding: 'utf8' }))
const to = join(root, 'docs_store/fonts')
mkdirSync(to, { recursive: true })
for (const [name, path] of Object.entries(files)) copyFileSync(join(web, 'node_modules', from, path), join(to, name))
