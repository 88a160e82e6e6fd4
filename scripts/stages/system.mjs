import { capture, run } from '../run.mjs'
import { hasSubcommand, nativeToolchain, wasmToolchain } from '../rust-toolchain.mjs'

/** Programs that the tests use, and the Debian packages that bring them. */
const PROGRAMS = [
  { program: 'cc', packages: ['build-essential'], why: 'to build native crates' },
  { program: 'git', packages: ['git'], why: 'to look at the checkout' },
  { program: 'ip', packages: ['iproute2'], why: 'for network namespaces' },
  { program: 'nft', packages: ['nftables'], why: 'for simulated routers' },
  { program: 'iptables', packages: ['iptables'], why: 'for black-holed ICMP' },
  {
    program: 'miniupnpd',
    packages: ['miniupnpd-nftables'],
    why: 'for a router that forwards ports when it is asked to',
  },
  { program: 'python3', packages: ['python3'], why: 'for delay and loss in simulated networks' },
  { program: 'chromium', packages: ['chromium'], why: 'for tests in browsers' },
  { program: 'firefox-esr', packages: ['firefox-esr'], why: 'for tests in browsers' },
  { program: 'WebKitWebDriver', packages: ['webkit2gtk-driver'], why: 'for tests in browsers' },
  { program: 'xvfb-run', packages: ['xvfb', 'xauth'], why: 'for WebKit, which wants a screen' },
]

/** Installs what the tests need from Debian where that is allowed, and otherwise names the one command. */
export const systemStage = {
  name: 'system',
  title: 'system packages: a Rust toolchain, clang, tools for network namespaces, browsers',
  minutes: [0, 2],
  async run({ ci, report }) {
    const packages = missingPackages()
    if (packages.length === 0) return console.log('everything is installed')
    const command = `apt-get update && apt-get install -y --no-install-recommends ${packages.join(' ')}`
    if (!ci || process.getuid?.() !== 0) {
      return report.skip('system packages', `some tests will be skipped; to install what they need: ${command}`)
    }
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    const result = await run('sh', ['-c', command], { env, timeoutMs: 15 * 60_000 })
    report.byExit(`install ${packages.join(' ')}`, result)
  },
}

function missingPackages() {
  const packages = PROGRAMS.filter(
    ({ program }) => capture('sh', ['-c', `command -v ${program}`]) === undefined,
  ).flatMap((entry) => entry.packages)
  const native = nativeToolchain()
  if (!native) packages.push('rustc-web', 'cargo-web')
  if (!native || !hasSubcommand(native, 'clippy')) packages.push('rust-web-clippy')
  if (!native || !hasSubcommand(native, 'fmt')) packages.push('rustfmt-web')
  if ('missing' in wasmToolchain()) packages.push('rustc-web', 'cargo-web', 'rust-web-src', 'clang', 'lld', 'llvm')
  return [...new Set(packages)]
}
