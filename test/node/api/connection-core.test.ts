import type { Placement } from './environments.js'
import { memoryPair, udpPair } from './real-pair.js'
import { connectionScenarios } from './scenarios.js'

for (const placement of ['in process', 'over a port'] satisfies Placement[]) {
  connectionScenarios(`over UDP, ${placement}`, () => udpPair(placement))
  connectionScenarios(`in memory, ${placement}`, () => memoryPair(placement))
}
