import { workerData } from 'node:worker_threads'
import type { EnginePort } from '../../../src/api/index.js'
import { Peer } from '../../../src/entry/node.js'

const { port, alpn } = workerData as { port: EnginePort; alpn: string }
const peer = await Peer.create({ alpns: [alpn], udp: { host: '127.0.0.1' } })
peer.serve(port)
