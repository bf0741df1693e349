// Looks at pages as a reader does: in Chromium, wide and on a phone, light and dark, with the keyboard alone.
//
//   node check.mjs --shots DIR --strategies a,b,c PAGE.html...
//
// Prints one line a problem and ends with 1 if there is any; screenshots of what it saw are in DIR.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { chromium } from 'playwright-core'

const { values, positionals: pages } = parseArgs({
  allowPositionals: true,
  options: { shots: { type: 'string' }, strategies: { type: 'string', default: '' } },
})
const browsers = ['chromium', 'chromium-browser', 'google-chrome']
const executablePath = browsers
  .flatMap((name) => process.env.PATH.split(':').map((dir) => path.join(dir, name)))
  .find((file) => fs.existsSync(file))
if (!executablePath) {
  console.error('no Chromium on this machine: scripts/setup-browser installs it (as root, on Debian)')
  process.exit(3)
}

const axe = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const strategies = values.strategies.split(',').filter(Boolean)
const problems = []
// Enough to pass the contents, some tables and some charts.
const MOST_STOPS = 60
const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'handoff-browser-'))
const context = await chromium.launchPersistentContext(profile, {
  executablePath,
  headless: true,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync'],
})
// A page that works offline asks for nothing.
await context.setOffline(true)
const page = await context.newPage()

for (const file of pages) {
  const name = path.basename(path.dirname(file))
  for (const [width, height] of [[1280, 900], [390, 844]]) {
    for (const colorScheme of ['light', 'dark']) {
      const where = `${name}, ${width} px, ${colorScheme}`
      const problem = (text) => problems.push(`${where}: ${text}`)
      const heard = (message) => message.type() === 'error' && problem(`console: ${message.text()}`)
      const failed = (error) => problem(`page error: ${error.message}`)
      const asked = (request) => request.url().startsWith('file:') || request.url().startsWith('data:') || problem(`asks for ${request.url()}`)
      page.on('console', heard).on('pageerror', failed).on('request', asked)
      await page.setViewportSize({ width, height })
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
      await page.goto(pathToFileURL(path.resolve(file)).href)

      const scroll = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
      if (scroll > 0) problem(`scrolls sideways by ${scroll} px`)
      const table = await page.locator('main table:visible').first().innerText()
      for (const strategy of strategies) {
        if (!table.includes(strategy)) problem(`${strategy} is not in the first table`)
      }
      const hidden = await page.evaluate(() => [...document.querySelectorAll('figure')].filter(
        (figure) => [...figure.querySelectorAll('svg[role=img]')].filter((svg) => svg.getBoundingClientRect().height > 20).length !== 1).length)
      if (hidden) problem(`${hidden} figures do not show just one chart`)

      // What axe finds depends on width and colours one by one: two of the four cover both.
      const { violations } = (width > 400) === (colorScheme === 'dark') ? await rules() : { violations: [] }
      for (const { id, help, nodes } of violations) {
        problem(`axe ${id}: ${help}: ${nodes.slice(0, 3).map((n) => n.html.slice(0, 120)).join(' | ')}`)
      }
      if (values.shots) {
        fs.mkdirSync(values.shots, { recursive: true })
        await page.screenshot({ path: path.join(values.shots, `${name}-${width}-${colorScheme}.png`), fullPage: true })
      }
      page.off('console', heard).off('pageerror', failed).off('request', asked)
    }
  }
  await keyboard(name)
}

async function rules() {
  await page.evaluate(axe)
  return page.evaluate(() => window.axe.run(document))
}

// Tab reaches the skip link first, then every link, table and figure's table; Enter opens the latter.
async function keyboard(name) {
  const stops = await page.evaluate(() => document.querySelectorAll('a[href], summary, [tabindex="0"]').length)
  await page.evaluate(() => document.activeElement.blur())
  await page.keyboard.press('Tab')
  const first = await page.evaluate(() => document.activeElement.className)
  if (first !== 'skip') problems.push(`${name}: the first stop of the Tab key is not the link to the report`)
  let tables = 0
  let opened = false
  for (let i = 0; i < Math.min(stops, MOST_STOPS); i++) {
    const at = await page.evaluate(() => ({
      tag: document.activeElement.tagName,
      table: document.activeElement.classList.contains('scroll'),
      outline: getComputedStyle(document.activeElement).outlineStyle,
    }))
    if (at.tag !== 'BODY' && at.outline === 'none') problems.push(`${name}: focus on ${at.tag} cannot be seen`)
    tables += at.table
    if (at.tag === 'SUMMARY' && !opened) {
      await page.keyboard.press('Enter')
      opened = await page.evaluate(() => document.activeElement.parentElement.open)
      if (!opened) problems.push(`${name}: Enter does not open the numbers of a chart`)
    }
    await page.keyboard.press('Tab')
  }
  if (tables === 0) problems.push(`${name}: no table can be reached with the keyboard`)
}

await context.close()
fs.rmSync(profile, { recursive: true, force: true })
for (const problem of problems) console.log(problem)
console.log(`${pages.length} pages, ${problems.length} problems`)
process.exit(problems.length ? 1 : 0)
