import { execFileSync, spawn } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const root = process.env.ANYPATH_ROOT ?? process.cwd()

/** Why network namespaces can't be made here, or `false`. */
export function namespacesMissing(): string | false {
  if (process.platform !== 'linux') return 'network namespaces are Linux’s'
  if (process.getuid?.() !== 0) return 'network namespaces need root'
  try {
    execFileSync('ip', ['-V'], { stdio: 'ignore' })
    execFileSync('iptables', ['-V'], { stdio: 'ignore' })
    return false
  } catch {
    return 'ip or iptables is missing: apt-get install iproute2 iptables'
  }
}

/**
 * Two hosts with a router between them, which has no way out:
 * `left (10.77.1.2) -- (10.77.1.1) router (10.77.2.1) -- (10.77.2.2) right`.
 */
export class Network implements Disposable {
  readonly #tag = `ap${process.pid}`

  /** @param rightMtu the MTU of the link between router and right host, on both of its ends. */
  constructor({ leftMtu = 1500, rightMtu = 1500 }: { leftMtu?: number; rightMtu?: number }) {
    for (const host of ['left', 'router', 'right']) this.#ip('netns', 'add', this.name(host))
    this.#link('left', 1, leftMtu)
    this.#link('right', 2, rightMtu)
    this.in('router', 'sysctl', '-qw', 'net.ipv4.ip_forward=1')
  }

  name(host: string): string {
    return `${this.#tag}${host}`
  }

  address(host: 'left' | 'right'): string {
    return host === 'left' ? '10.77.1.2' : '10.77.2.2'
  }

  /** Runs a command on a host and returns what it prints. */
  in(host: string, command: string, ...args: string[]): string {
    return execFileSync('ip', ['netns', 'exec', this.name(host), command, ...args], { encoding: 'utf8' })
  }

  /** The router drops every ICMP message, so nobody learns that a packet was too big. */
  dropIcmp(): void {
    for (const chain of ['INPUT', 'OUTPUT', 'FORWARD'])
      this.in('router', 'iptables', '-A', chain, '-p', 'icmp', '-j', 'DROP')
  }

  setMtu(bytes: number): void {
    this.in('router', 'ip', 'link', 'set', 'to-right', 'mtu', String(bytes))
    this.in('right', 'ip', 'link', 'set', 'eth0', 'mtu', String(bytes))
  }

  /** Starts a script of this folder on a host; it has the built package's address in `ANYPATH_PACKAGE`. */
  spawn(
    host: 'left' | 'right',
    source: string,
  ): { readonly lines: AsyncIterator<string>; write(line: string): void; stop(): void } {
    const child = spawn(
      'ip',
      ['netns', 'exec', this.name(host), process.execPath, '--input-type=module', '-e', source],
      {
        env: { ...process.env, ANYPATH_PACKAGE: pathToFileURL(join(root, 'dist', 'node.mjs')).href },
        stdio: ['pipe', 'pipe', 'inherit'],
      },
    )
    async function* lines(): AsyncGenerator<string> {
      let rest = ''
      for await (const chunk of child.stdout) {
        const parts = (rest + String(chunk)).split('\n')
        rest = parts.pop() ?? ''
        yield* parts
      }
    }
    return { lines: lines(), write: (line) => child.stdin.write(`${line}\n`), stop: () => child.kill('SIGKILL') }
  }

  [Symbol.dispose](): void {
    for (const host of ['left', 'router', 'right']) {
      try {
        this.#ip('netns', 'del', this.name(host))
      } catch {
        // It was never made.
      }
    }
  }

  #link(host: 'left' | 'right', subnet: number, mtu: number): void {
    const router = this.name('router')
    this.#ip(
      'link',
      'add',
      'eth0',
      'netns',
      this.name(host),
      'type',
      'veth',
      'peer',
      'name',
      `to-${host}`,
      'netns',
      router,
    )
    this.in(host, 'ip', 'address', 'add', `${this.address(host)}/24`, 'dev', 'eth0')
    this.in('router', 'ip', 'address', 'add', `10.77.${subnet}.1/24`, 'dev', `to-${host}`)
    for (const [at, device] of [
      [host, 'eth0'],
      [host, 'lo'],
      ['router', `to-${host}`],
    ] as const) {
      if (device !== 'lo') this.in(at, 'ip', 'link', 'set', device, 'mtu', String(mtu))
      this.in(at, 'ip', 'link', 'set', device, 'up')
    }
    this.in(host, 'ip', 'route', 'add', 'default', 'via', `10.77.${subnet}.1`)
  }

  #ip(...args: string[]): void {
    execFileSync('ip', args)
  }
}
