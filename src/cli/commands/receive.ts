import type { Command } from '../context.js'
import { ExitCode, toCliError } from '../exit.js'
import { formatBytes, formatDuration, formatRate, plural } from '../format.js'
import { dialingOptions } from '../options.js'
import { withPeer } from '../peer.js'
import { failureOfFiles } from '../transfer/answers.js'
import { Reception } from '../transfer/reception.js'
import { TargetFolder } from '../transfer/target.js'
import { parseTransferTicket } from '../transfer/ticket.js'

export const receiveCommand: Command = {
  spec: {
    name: 'receive',
    summary: 'receive what an "anypath send" offers',
    usage: '[options] <ticket>',
    description: [
      'Receives the files of a ticket into the current folder, or that of --to, and nowhere else: a sender that asks for ' +
        'another place, for a symbolic link or for a name that is no file name everywhere is refused before anything is written.',
      'A file has its name only when all of it is here and its SHA-256 is right. Until then it is <name>.anypath-part; the same ' +
        'command goes on from there after Ctrl-C, a kill or a crash. Existing files are kept: the same ones are skipped by ' +
        'their hash, different ones are reported.',
      'When the sender goes away during the transfer, this command waits for it for 5 minutes and goes on by itself; --wait ' +
        'sets another time, and makes it wait for a sender that is not there yet. A sender that falls silent is noticed after ' +
        '5 s and given up after --idle-timeout.',
    ],
    options: {
      to: {
        type: 'string',
        value: 'DIR',
        help: 'the folder to receive into; made when it does not exist (default: .)',
      },
      overwrite: { type: 'boolean', help: 'replace existing files that are different' },
      wait: { type: 'string', value: 'TIME', help: 'how long to wait for a sender that is away; 0 does not wait' },
      'any-names': {
        type: 'boolean',
        help: 'accept names that Windows can not hold, and names that differ only in case',
      },
      ...dialingOptions,
    },
    positionals: [1, 1],
    examples: ['anypath receive anypath…', 'anypath receive --to ~/Downloads --wait 1h anypath…'],
  },
  run: async (context) => {
    const { values, output, signal } = context
    const { secret } = parseTransferTicket(values.argument(0).trim())
    const target = await TargetFolder.open(values.text('to') ?? '.')
    await withPeer(context, {}, async (peer) => {
      const reception = new Reception(context, peer, { secret, target })
      try {
        await reception.run()
      } catch (error) {
        const { exitCode } = toCliError(error)
        const kept =
          signal.aborted ||
          exitCode === ExitCode.lost ||
          exitCode === ExitCode.localIo ||
          exitCode === ExitCode.unreachable
        if (kept && reception.listed) output.note('What has come is kept; the same command goes on from there.')
        throw error
      }
      const { files, bytes, receivedBytes, resumedBytes, identical, failed, elapsedMs, sessions } = reception.summary
      const bytesPerSecond = elapsedMs === 0 ? 0 : Math.round((receivedBytes * 1000) / elapsedMs)
      output.event('done', {
        files,
        bytes,
        receivedBytes,
        resumedBytes,
        identicalFiles: identical,
        failedFiles: failed.length,
        sessions,
        elapsedMs,
        bytesPerSecond,
      })
      const rate =
        receivedBytes === 0
          ? ''
          : `, ${formatBytes(receivedBytes)} in ${formatDuration(elapsedMs)} (${formatRate(bytesPerSecond)})`
      if (failed.length > 0) throw failureOfFiles(failed)
      const same = identical === 0 ? '' : `, ${identical} of them were here already`
      output.result(`${plural(files, 'file')} in ${target.root}, each checked by its SHA-256${same}${rate}`)
    })
  },
}
