// A reporter for node:test that writes one JSON line per leaf test, which scripts/test.mjs counts.

/** @param {AsyncIterable<import('node:test/reporters').TestEvent>} source */
export default async function* reportCounts(source) {
  for await (const { type, data } of source) {
    if (type !== 'test:pass' && type !== 'test:fail') continue
    // A suite passes or fails as its tests do; it counts by itself only when one of its hooks failed.
    const isSuite = data.details?.type === 'suite'
    if (isSuite && (type === 'test:pass' || data.details?.error?.failureType === 'subtestsFailed')) continue
    if (type === 'test:fail' && data.details?.error?.failureType === 'subtestsFailed') continue
    const skip = data.skip ?? data.todo
    const outcome = skip !== undefined ? 'skipped' : type === 'test:pass' ? 'passed' : 'failed'
    const reason = typeof skip === 'string' ? skip : undefined
    yield `${JSON.stringify({ outcome, name: data.name, reason })}\n`
  }
}
