import { fakePair, type Placement } from './environments.js'
import { connectionScenarios } from './scenarios.js'

for (const placement of ['in process', 'over a port'] satisfies Placement[]) {
  connectionScenarios(`without a core, ${placement}`, async () => {
    const { alice, bob } = await fakePair(placement)
    return { dialler: alice, acceptor: bob, target: { id: bob.id, addresses: [{ host: '192.0.2.1', port: 4433 }] } }
  })
}
