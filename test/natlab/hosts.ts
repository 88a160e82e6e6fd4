import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

/** Where `ip netns` keeps its namespaces. */
const NAMESPACES = '/run/netns'
/** In the environment of everything that runs in a laboratory, with the id of the process that it belongs to. */
const MARK = 'ANYPATH_NATLAB'
const PREFIX = 'apnat'

let laboratories = 0

/** Hosts of one laboratory, each a network namespace. They go with `end`; what a killed process left is removed by the next one. */
export class Hosts {
  readonly #tag = `${PREFIX}${process.pid}-${laboratories++}-`
  readonly #names: readonly string[]
  readonly #programs = new Set<Program>()

  private constructor(names: readonly string[]) {
    this.#names = names
  }

  static async start(names: readonly string[]): Promise<Hosts> {
    removeLeftovers()
    const hosts = new Hosts(names)
    await run('ip', ['-batch', '-'], names.map((name) => `netns add ${hosts.namespace(name)}\n`).join(''))
    return hosts
  }

  namespace(host: string): string {
    return `${this.#tag}${host}`
  }

  /** Runs a command on a host, with this text as its input, and gives what it prints. */
  async in(host: string, command: readonly string[], input = ''): Promise<string> {
    return run('ip', ['netns', 'exec', this.namespace(host), ...command], input)
  }

  /** Gives each line to the host's `ip`. */
  async configure(host: string, lines: readonly string[]): Promise<void> {
    await run('ip', ['-n', this.namespace(host), '-batch', '-'], `${lines.join('\n')}\n`)
  }

  async sysctl(host: string, values: Readonly<Record<string, number>>): Promise<void> {
    const sets = Object.entries(values).map(([name, value]) => `echo ${value} > /proc/sys/net/${name}`)
    await this.in(host, ['sh', '-ec', sets.join('\n')])
  }

  spawn(host: string, command: readonly string[], env: Readonly<Record<string, string>> = {}): Program {
    const program = new Program(['ip', 'netns', 'exec', this.namespace(host), ...command], env, host)
    this.#programs.add(program)
    void program.ended.then(() => this.#programs.delete(program))
    return program
  }

  /** Ends every program, then removes the hosts. */
  async end(): Promise<void> {
    const programs = [...this.#programs]
    for (const program of programs) program.kill()
    await Promise.all(programs.map(({ ended }) => ended))
    removeNamespaces(this.#names.map((name) => this.namespace(name)))
  }
}

/** A program on a host that talks in lines. */
export class Program {
  readonly #child
  /** Why it ended: its exit code, or the signal. */
  readonly ended: Promise<number | string>
  stderr = ''
  #hasEnded = false

  constructor(command: readonly string[], env: Readonly<Record<string, string>>, host: string) {
    const [file = '', ...args] = command
    // A peer does by itself only what a laboratory is about, unless its options say otherwise.
    const quiet = { ANYPATH_LAN: 'off', ANYPATH_PORT_MAPPING: 'off' }
    this.#child = spawn(file, args, { env: { ...process.env, ...quiet, ...env, [MARK]: String(process.pid) } })
    this.#child.stdin.on('error', () => {})
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr = (this.stderr + text).slice(-20_000)
      if (process.env.ANYPATH_NATLAB_VERBOSE) process.stderr.write(text.replace(/^/gm, `${host}: `))
    })
    this.ended = new Promise((resolve) => {
      this.#child.once('error', (error) => resolve(error.message))
      this.#child.once('exit', (code, signal) => {
        this.#hasEnded = true
        resolve(code ?? signal ?? -1)
      })
    })
  }

  onLine(listener: (line: string) => void): void {
    createInterface({ input: this.#child.stdout }).on('line', listener)
  }

  write(line: string): void {
    this.#child.stdin.write(`${line}\n`)
  }

  kill(signal: NodeJS.Signals = 'SIGKILL'): void {
    if (!this.#hasEnded) this.#child.kill(signal)
  }
}

/** Why there can be no laboratory here, or `false`. */
export function laboratoryMissing(): string | false {
  if (process.platform !== 'linux') return 'network namespaces are Linux’s'
  const tools = { ip: 'iproute2', nft: 'nftables', 'iptables-nft': 'iptables', python3: 'python3' }
  const path = { ...process.env, PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin` }
  const missing = Object.entries(tools).filter(
    ([tool]) => spawnSync('sh', ['-c', `command -v ${tool}`], { env: path }).status !== 0,
  )
  if (missing.length > 0)
    return `missing: ${missing.map(([tool]) => tool).join(', ')}; apt-get install ${missing.map(([, name]) => name).join(' ')}`
  if (process.getuid?.() !== 0)
    return `routers need root, or a user namespace: unshare -Urnm sh -c 'mount -t tmpfs run /run && npm test -- --only natlab'`
  return kernelMissing()
}

/** Root in a container often may not do what root may, and a kernel may lack a part of nftables. */
function kernelMissing(): string | false {
  const probe = `${PREFIX}${process.pid}-probe`
  const inside = (...command: string[]) => execFileSync('ip', ['netns', 'exec', probe, ...command], { stdio: 'pipe' })
  const tries: readonly (readonly [string, () => void])[] = [
    [
      'network namespaces (CAP_SYS_ADMIN and CAP_NET_ADMIN)',
      () => execFileSync('ip', ['netns', 'add', probe], { stdio: 'pipe' }),
    ],
    ['veth links', () => inside('ip', 'link', 'add', 'v0', 'type', 'veth', 'peer', 'name', 'v1')],
    ['bridges', () => inside('ip', 'link', 'add', 'b0', 'type', 'bridge')],
    [
      'nftables with NAT',
      () =>
        inside(
          'nft',
          'add table ip t; add chain ip t c { type nat hook postrouting priority srcnat; }; add rule ip t c masquerade fully-random',
        ),
    ],
    [
      'NFQUEUE',
      () =>
        inside(
          'iptables-nft',
          '-t',
          'mangle',
          '-A',
          'PREROUTING',
          '-j',
          'NFQUEUE',
          '--queue-num',
          '1',
          '--queue-bypass',
        ),
    ],
  ]
  try {
    for (const [what, attempt] of tries) {
      try {
        attempt()
      } catch {
        return `this machine has no ${what}`
      }
    }
    return false
  } finally {
    removeNamespaces([probe])
  }
}

/** Removes namespaces of processes that are no more, and ends what still runs in them. */
function removeLeftovers(): void {
  const left = namespaces().filter((name) => !isRunning(ownerOf(name)))
  for (const owner of new Set(left.map(ownerOf))) endMarked(owner)
  removeNamespaces(left)
}

function namespaces(): string[] {
  try {
    return readdirSync(NAMESPACES).filter((name) => new RegExp(`^${PREFIX}\\d+-`).test(name))
  } catch {
    return []
  }
}

const ownerOf = (namespace: string): number => Number.parseInt(namespace.slice(PREFIX.length), 10)

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function endMarked(owner: number): void {
  const entry = Buffer.from(`${MARK}=${owner}\0`)
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      if (readFileSync(`/proc/${pid}/environ`).includes(entry)) process.kill(Number(pid), 'SIGKILL')
    } catch {
      // It has ended by itself, or belongs to somebody else.
    }
  }
}

function removeNamespaces(names: readonly string[]): void {
  for (const name of names) spawnSync('ip', ['netns', 'del', name], { stdio: 'ignore' })
}

async function run(file: string, args: readonly string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args)
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.stdin.on('error', () => {})
    child.once('error', reject)
    child.once('close', (code) => {
      if (code === 0) resolve(stdout)
      else reject(new Error(`${file} ${args.join(' ')}: ${code}\n${stderr.slice(-2000)}${input.slice(0, 2000)}`))
    })
    child.stdin.end(input)
  })
}
