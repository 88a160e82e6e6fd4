/** All commands, in the order of the help text. */
import type { Command } from '../context.js'
import { chatCommand } from './chat.js'
import { connectCommand } from './connect.js'
import { connectTcpCommand } from './connect-tcp.js'
import { diagnoseCommand } from './diagnose.js'
import { idCommand } from './id.js'
import { listenCommand } from './listen.js'
import { listenTcpCommand } from './listen-tcp.js'
import { pingCommand } from './ping.js'
import { receiveCommand } from './receive.js'
import { relayCommand } from './relay.js'
import { sendCommand } from './send.js'
import { stunCommand } from './stun.js'

export const commands: readonly Command[] = [
  idCommand,
  listenCommand,
  connectCommand,
  listenTcpCommand,
  connectTcpCommand,
  sendCommand,
  receiveCommand,
  pingCommand,
  diagnoseCommand,
  chatCommand,
  relayCommand,
  stunCommand,
]
