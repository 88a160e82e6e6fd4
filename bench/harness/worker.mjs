// One side of a measurement, in a process of its own: runs `roles[suite][role]` of a module in ../peers/ and reports its figures.

import { link } from './link.mjs'

const { module, suite, role, options } = JSON.parse(process.argv[2])
let mark = { cpu: process.cpuUsage(), at: performance.now() }

const context = {
  link,
  options,
  /** Says that setting up is over: processor time counts from here. */
  begin: () => {
    mark = { cpu: process.cpuUsage(), at: performance.now() }
  },
}

try {
  const { roles } = await import(`../peers/${module}.mjs`)
  const figures = await roles[suite][role](context)
  const { user, system } = process.cpuUsage(mark.cpu)
  const cores = (user + system) / 1000 / (performance.now() - mark.at)
  process.send({ done: { cores, cpuSeconds: (user + system) / 1e6, kernelSeconds: system / 1e6, ...figures } })
} catch (error) {
  process.send({ failed: error instanceof Error ? `${error.name}: ${error.message}` : String(error) })
}
