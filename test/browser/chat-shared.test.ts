// time limit: 240 s
// network: a namespace, where browsers find an address that is not the loopback's

import { after } from 'node:test'
import { drop, enter, hears, say, sees, startChat } from './chat-demo.js'
import { testInBrowsers } from './harness/in-browsers.js'

const chat = await startChat()
after(() => chat.stop())

testInBrowsers(
  'two tabs of a link with shared=1 are one member, which stays when either is closed',
  async ({ open, profile }) => {
    const [ofAna, ofBen] = [await profile(), await profile()]
    const link = `${chat.room}&shared=1`
    const first = await open(link, ofAna)
    await enter(first, 'Ana')
    const ben = await open(chat.room, ofBen)
    await enter(ben, 'Ben')
    await sees(ben, 'Ana')
    await sees(first, 'Ben')
    await first.locator('.member-detail', { hasText: 'direct, WebRTC' }).waitFor()
    await say(first, 'from the first tab')
    await hears(ben, 'from the first tab')
    await drop(first, { name: 'a.bin', type: '', seed: 7, size: 1 << 20 })
    await ben.getByRole('button', { name: 'Download a.bin' }).waitFor()

    const second = await open(link, ofAna)
    await enter(second, 'Ana')
    await hears(second, 'from the first tab')
    await sees(second, 'Ben')
    await say(second, 'from the second')
    for (const page of [first, ben]) await hears(page, 'from the second')
    await ben.getByRole('heading', { name: '2 people' }).waitFor()

    await first.close()
    await second.locator('.member-detail', { hasText: 'direct, WebRTC' }).waitFor()
    await say(ben, 'still there?')
    await hears(second, 'still there?')
    await ben.getByRole('button', { name: 'Download a.bin' }).click()
    await ben.getByRole('link', { name: 'Save a.bin' }).waitFor()
    await ben.getByText('SHA-256 checked').waitFor()
    await drop(ben, { name: 'b.bin', type: '', seed: 9, size: 1 << 20 })
    await second.getByRole('button', { name: 'Download b.bin' }).click()
    await second.getByRole('link', { name: 'Save b.bin' }).waitFor()

    await second.getByRole('button', { name: 'Leave' }).click()
    await ben.locator('.notice', { hasText: 'Ana left' }).waitFor()
  },
)
