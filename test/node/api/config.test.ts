import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { DEFAULT_LIMITS, resolveSettings, type Settings } from '../../../src/config/index.js'
import { resolveUdp } from '../../../src/config/udp.js'
import { InvalidConfigError } from '../../../src/errors/index.js'

const zeros = (length: number) => new Uint8Array(length)

test('settings that are left out have their defaults', () => {
  const settings = resolveSettings({}, zeros)
  assert.deepEqual(settings.limits, DEFAULT_LIMITS)
  assert.deepEqual(settings.alpns, [])
  assert.deepEqual(settings.secretKey, new Uint8Array(32))
  assert.deepEqual([settings.earlyData, settings.classicalOnly, settings.congestion], [false, false, 'cubic'])
})

test('a secret key is 32 bytes or their hexadecimal text, and is copied', () => {
  const key = new Uint8Array(32).fill(0xab)
  const resolved = resolveSettings({ secretKey: key }, zeros)
  key.fill(0)
  assert.deepEqual(resolved.secretKey, new Uint8Array(32).fill(0xab))
  assert.deepEqual(resolveSettings({ secretKey: 'AB'.repeat(32) }, zeros).secretKey, resolved.secretKey)
})

describe('a wrong setting is named, with what it has to be and what it is', () => {
  const cases: [Settings | Record<string, unknown>, RegExp][] = [
    [{ secretKey: 'short' }, /^secretKey: must be 32 bytes or 64 hexadecimal digits$/],
    [{ secretKey: new Uint8Array(31) }, /^secretKey: /],
    [{ persist: 'chat' }, /^persist: must be true, false or an object, not "chat"$/],
    [{ persist: { name: '' } }, /^persist.name: must be a text of 1 to 255 characters, not ""$/],
    [{ persist: { whenInUse: 'steal' } }, /^persist.whenInUse: must be one of fail, fresh-key, not "steal"$/],
    [{ persist: { key: 'chat' } }, /^persist.key: there is no such setting$/],
    [{ persist: true, secretKey: '00'.repeat(32) }, /^persist: must not be there together with secretKey$/],
    [{ alpns: 'chat/1' }, /^alpns: must be an array of texts, not "chat\/1"$/],
    [{ alpns: ['a', ''] }, /^alpns\[1\]: must be 1 to 255 bytes long, not ""$/],
    [{ alpns: [5] }, /^alpns\[0\]: must be a text, not 5$/],
    [{ alpns: ['x'.repeat(256)] }, /^alpns\[0\]: must be 1 to 255 bytes long/],
    [{ alpns: ['h3'] }, /^alpns\[0\]: /],
    [{ alpns: ['chat/1', 'anypath/1'] }, /^alpns\[1\]: /],
    [{ alpns: ['a', 'a'] }, /^alpns: must not name a protocol twice$/],
    [{ limits: null }, /^limits: must be an object, not null$/],
    [{ limits: { idleTimeout: 5 } }, /^limits.idleTimeout: there is no such limit$/],
    [
      { limits: { idleTimeoutMs: '5' } },
      /^limits.idleTimeoutMs: must be a whole number from 1 to 4294967295, not "5"$/,
    ],
    [{ limits: { idleTimeoutMs: 1.5 } }, /not 1.5$/],
    [{ limits: { idleTimeoutMs: Number.NaN } }, /not NaN$/],
    [{ limits: { idleTimeoutMs: 2500 } }, /^limits.keepAliveMs: must be below idleTimeoutMs \(2500\), not 2500$/],
    [{ limits: { initialMtuBytes: 1400, maxMtuBytes: 1300 } }, /^limits.maxMtuBytes: /],
    [{ limits: { initialMtuBytes: 1199 } }, /^limits.initialMtuBytes: must be a whole number from 1200/],
    [{ udp: { port: 65_536 } }, /^udp.port: must be a whole number from 0 to 65535, not 65536$/],
    [{ udp: { host: '' } }, /^udp.host: /],
    [{ udp: { address: '::' } }, /^udp.address: there is no such setting$/],
    [{ udp: [] }, /^udp: must be an object, not an array$/],
    [{ earlyData: 1 }, /^earlyData: must be true or false, not 1$/],
    [{ classicalOnly: 'no' }, /^classicalOnly: /],
    [{ congestion: 'reno' }, /^congestion: must be one of cubic, new-reno, bbr, not "reno"$/],
  ]
  for (const [settings, message] of cases) {
    test(`${JSON.stringify(settings).slice(0, 60)}`, () => {
      assert.throws(
        () => resolveUdp(resolveSettings(settings as Settings, zeros).udp),
        (error) => {
          assert.ok(error instanceof InvalidConfigError)
          assert.match(error.message, message)
          return true
        },
      )
    })
  }
})

test('a limit that is given as undefined has its default', () => {
  assert.equal(
    resolveSettings({ limits: { ...({ keepAliveMs: undefined } as object) } }, zeros).limits.keepAliveMs,
    2500,
  )
})
