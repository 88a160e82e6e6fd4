import type { Command } from '../context.js'
import { loadIdentity } from '../key.js'

export const idCommand: Command = {
  spec: {
    name: 'id',
    summary: "show this machine's id, making its key at the first call",
    usage: '[options]',
    description: [
      'Prints the public key by which others dial this machine: 64 hexadecimal digits.',
      'The secret key comes from --key, from the environment variable ANYPATH_SECRET_KEY (hexadecimal or base32), or from ' +
        '$XDG_CONFIG_HOME/anypath/secret.key (~/.config/anypath/secret.key), in this order. A file that does not exist is ' +
        'made, with permissions for its owner only; one that others may use is refused.',
    ],
    options: {
      key: { type: 'string', value: 'FILE', help: 'secret key file; made when it does not exist' },
      'show-secret': { type: 'boolean', help: 'print the secret key too: whoever has it can be you' },
    },
    positionals: [0, 0],
    examples: ['anypath id', 'anypath id --key ./server.key --json'],
  },
  async run({ values, output, env }) {
    const { id, secretKey, file, created } = await loadIdentity(values.text('key'), env)
    const secret = values.flag('show-secret') ? Buffer.from(secretKey).toString('hex') : undefined
    output.event('id', { id, keyFile: file ?? null, created, ...(secret === undefined ? {} : { secretKey: secret }) })
    if (created) output.note(`made a new key in ${file}`)
    output.result(id)
    if (secret !== undefined) output.result(secret)
  },
}
