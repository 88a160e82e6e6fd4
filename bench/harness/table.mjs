/**
 * Renders rows as a Markdown table, aligned for a terminal, and below it why some have no figures.
 *
 * @param {string[]} head
 * @param {((string | number | undefined)[] | {name: string, error: string})[]} all numbers are rounded to three digits
 */
export function table(head, all) {
  const rows = all.filter((row) => Array.isArray(row))
  const missing = all.filter((row) => !Array.isArray(row)).map(({ name, error }) => `skipped: ${name}: ${error}`)
  const cells = [head, ...rows.map((row) => head.map((_, at) => shown(row[at])))]
  const widths = head.map((_, at) => Math.max(3, ...cells.map((row) => row[at].length)))
  const line = (row) =>
    `| ${row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at]) : cell.padStart(widths[at]))).join(' | ')} |`
  const rule = `|${widths.map((width, at) => (at === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`
  const lines = [line(cells[0]), rule, ...cells.slice(1).map(line)]
  return [...lines, ...(missing.length > 0 ? ['', ...missing] : [])].join('\n')
}

function shown(value) {
  if (value === undefined || value === null || Number.isNaN(value)) return ''
  if (typeof value === 'string') return value
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value) || 1)))
  return value.toLocaleString('en', { maximumFractionDigits: Math.min(3, digits) })
}
