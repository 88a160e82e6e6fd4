import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Base32Error, decodeBase32, encodeBase32 } from '../../../src/cli/base32.js'
import { CliError, ExitCode } from '../../../src/cli/exit.js'
import { endpointOf, formatTransferTicket, parseTransferTicket } from '../../../src/cli/transfer/ticket.js'

// The ticket of the tests in wasm/wire/src/transfer.rs: id 07…, 127.0.0.1:4433, secret 5e….
const endpointBytes = Uint8Array.from([0, ...Array(32).fill(7), 1, 1, 0, 127, 0, 0, 1, 0xd1, 0x22])
const endpoint = `endpoint${encodeBase32(endpointBytes)}`
const secret = new Uint8Array(32).fill(0x5e)

const badTicket = (message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof CliError)
  assert.equal(error.exitCode, ExitCode.badTicket)
  assert.match(error.message, message)
  return true
}

test('the vectors of RFC 4648 hold in both directions and either case', () => {
  const vectors = {
    '': '',
    f: 'my',
    fo: 'mzxq',
    foo: 'mzxw6',
    foob: 'mzxw6yq',
    fooba: 'mzxw6ytb',
    foobar: 'mzxw6ytboi',
  }
  for (const [plain, text] of Object.entries(vectors)) {
    assert.equal(encodeBase32(Buffer.from(plain)), text)
    assert.equal(Buffer.from(decodeBase32(text.toUpperCase())).toString(), plain)
  }
})

test('what is not base32 is refused, also when only unused bits are wrong', () => {
  for (const text of ['mzx', 'm1', 'mz', 'm!', 'ß2']) assert.throws(() => decodeBase32(text), Base32Error)
})

test('a transfer ticket has the bytes that the Rust crate writes', () => {
  const text = formatTransferTicket({ secret, endpoint })
  assert.ok(text.startsWith('anypathafpf4xs6'))
  assert.equal(text, `anypath${encodeBase32(Uint8Array.from([1, ...secret, ...endpointBytes]))}`)
  assert.deepEqual(parseTransferTicket(text), { secret, endpoint })
})

test('each fault of a transfer ticket has its own message and exit code 6', () => {
  const text = formatTransferTicket({ secret, endpoint })
  const of = (bytes: number[]) => `anypath${encodeBase32(Uint8Array.from(bytes))}`
  assert.throws(() => parseTransferTicket(endpoint), badTicket(/begins with "anypath"; this is an endpoint ticket/))
  assert.throws(() => parseTransferTicket('nonsense'), badTicket(/begins with "anypath"$/))
  assert.throws(() => parseTransferTicket('anypath'), badTicket(/truncated/))
  assert.throws(() => parseTransferTicket(of([1, ...secret])), badTicket(/truncated/))
  assert.throws(() => parseTransferTicket(of([2, ...secret, 0])), badTicket(/version 2 is not known/))
  assert.throws(() => parseTransferTicket(`${text.slice(0, -2)}1a`), badTicket(/not base32/))
  assert.throws(() => parseTransferTicket(`anypath${'a'.repeat(20_000)}`), badTicket(/too long/))
})

test('a command that needs no secret dials the endpoint ticket inside', () => {
  assert.equal(endpointOf(formatTransferTicket({ secret, endpoint })), endpoint)
  assert.equal(endpointOf(endpoint), endpoint)
})
