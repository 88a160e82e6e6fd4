import { pageload, pagethroughput } from './browser.mjs'
import { datagrams } from './datagrams.mjs'
import { pagedirect } from './direct.mjs'
import { handshakes } from './handshakes.mjs'
import { memory } from './memory.mjs'
import { natlab } from './natlab.mjs'
import { relay } from './relay.mjs'
import { requests } from './requests.mjs'
import { size } from './size.mjs'
import { throughput } from './throughput.mjs'

/** Every suite by the name that `--only` takes. */
export const SUITES = {
  throughput,
  requests,
  datagrams,
  handshakes,
  memory,
  relay,
  natlab,
  pageload,
  pagethroughput,
  pagedirect,
  size,
}
