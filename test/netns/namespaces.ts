import { execFileSync, spawn, spawnSync } from 'node:child_process'
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
  } catch {
    return 'ip or iptables is missing: apt-get install iproute2 iptables'
  }
  // Root in a container often may not.
  const probe = `ap${process.pid}probe`
  try {
    execFileSync('ip', ['netns', 'add', probe], { stdio: 'ignore' })
    execFileSync('ip', ['netns', 'exec', probe, 'ip', 'link', 'set', 'lo', 'up'], { stdio: 'ignore' })
    return false
  } catch {
    return 'this machine lets root make no network namespaces (CAP_SYS_ADMIN and CAP_NET_ADMIN)'
  } finally {
    spawnSync('ip', ['netns', 'del', probe], { stdio: 'ignore' })
  }
}

/** A program on a host. */
export interface HostProgram {
  readonly lines: AsyncIterator<string>
  write(line: string): void
  stop(): void
  /** Resolves to how the program ended. */
  readonly ended: Promise<number | null>
}

/** Hosts, each in a network namespace of its own. */
abstract class Hosts implements Disposable {
  readonly #tag = `ap${process.pid}`
  readonly #hosts: readonly string[]

  constructor(hosts: readonly string[]) {
    this.#hosts = hosts
    for (const host of hosts) ip('netns', 'add', this.name(host))
  }

  name(host: string): string {
    return `${this.#tag}${host}`
  }

  /** Runs a command on a host and returns what it prints. */
  in(host: string, command: string, ...args: string[]): string {
    return execFileSync('ip', ['netns', 'exec', this.name(host), command, ...args], { encoding: 'utf8' })
  }

  /** Starts a script of this folder on a host; it has the built package's address in `ANYPATH_PACKAGE`. */
  spawn(host: string, source: string): HostProgram {
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
    return {
      lines: lines(),
      write: (line) => child.stdin.write(`${line}\n`),
      stop: () => child.kill('SIGKILL'),
      ended: new Promise((resolve) => child.once('exit', resolve)),
    }
  }

  [Symbol.dispose](): void {
    for (const host of this.#hosts) {
      try {
        ip('netns', 'del', this.name(host))
      } catch {
        // It was never made.
      }
    }
  }
}

/** Two hosts on one link, `left (10.78.0.1, fd78::1) -- (10.78.0.2, fd78::2) right`, and a third, `alone`, without any. */
export class Segment extends Hosts {
  /** @param families what the link has addresses of. */
  constructor(families: readonly (4 | 6)[] = [4, 6]) {
    super(['left', 'right', 'alone'])
    const right = ['peer', 'name', 'eth0', 'netns', this.name('right')]
    ip('link', 'add', 'eth0', 'netns', this.name('left'), 'type', 'veth', ...right)
    for (const host of ['left', 'right'] as const) {
      // While its link-local address is tentative (RFC 4862 section 5.4), a host sends to groups from another one than later.
      this.in(host, 'sh', '-c', 'echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad')
      for (const device of ['eth0', 'lo']) this.in(host, 'ip', 'link', 'set', device, 'up')
      // As on a real network there is a way out, of which stock peers need to be told to find the interface.
      if (families.includes(4)) {
        this.in(host, 'ip', 'address', 'add', `${this.address(host)}/24`, 'dev', 'eth0')
        this.in(host, 'ip', 'route', 'add', 'default', 'via', '10.78.0.254')
      }
      if (families.includes(6))
        this.in(host, 'ip', 'address', 'add', `${this.address(host, 6)}/64`, 'dev', 'eth0', 'nodad')
    }
    this.in('alone', 'ip', 'link', 'set', 'lo', 'up')
  }

  address(host: 'left' | 'right', family: 4 | 6 = 4): string {
    return `${family === 4 ? '10.78.0.' : 'fd78::'}${host === 'left' ? 1 : 2}`
  }
}

/**
 * Two hosts with a router between them, which has no way out:
 * `left (10.77.1.2) -- (10.77.1.1) router (10.77.2.1) -- (10.77.2.2) right`.
 */
export class Network extends Hosts {
  /** @param rightMtu the MTU of the link between router and right host, on both of its ends. */
  constructor({ leftMtu = 1500, rightMtu = 1500 }: { leftMtu?: number; rightMtu?: number }) {
    super(['left', 'router', 'right'])
    this.#link('left', 1, leftMtu)
    this.#link('right', 2, rightMtu)
    this.in('router', 'sysctl', '-qw', 'net.ipv4.ip_forward=1')
  }

  address(host: 'left' | 'right'): string {
    return host === 'left' ? '10.77.1.2' : '10.77.2.2'
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

  #link(host: 'left' | 'right', subnet: number, mtu: number): void {
    const router = this.name('router')
    ip('link', 'add', 'eth0', 'netns', this.name(host), 'type', 'veth', 'peer', 'name', `to-${host}`, 'netns', router)
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
}

function ip(...args: string[]): void {
  execFileSync('ip', args)
}
