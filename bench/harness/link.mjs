// The channel between the two roles of a pair: the parent process passes messages on.

const waiting = []
const arrived = []

process.on('message', (message) => {
  if (message.exit) process.exit(0)
  if (!('link' in message)) return
  const next = waiting.shift()
  if (next) next(message.link)
  else arrived.push(message.link)
})
process.on('disconnect', () => process.exit(1))

/** What a role uses to talk to the other one; messages are anything that JSON can say. */
export const link = {
  send: (message) => process.send({ link: message }),
  receive: () => (arrived.length > 0 ? arrived.shift() : new Promise((resolve) => waiting.push(resolve))),
}
