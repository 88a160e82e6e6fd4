import { spawnSync } from 'node:child_process'

/** A loopback, and an address whose link ends in the namespace: browsers look for such a one, and nothing can leave. */
const SET_UP = `
ip link set lo up
ip link add v0 type veth peer name v1
ip addr add 10.77.0.1/24 dev v0
ip link set v0 up
ip link set v1 up
ip route add default via 10.77.0.254
exec "$@"
`

/**
 * The command in a network namespace of its own, where that can be made: on Linux, by root or in a user namespace. Elsewhere as it is.
 *
 * @param {string[]} command
 * @returns {string[]}
 */
export function inOwnNetwork(command) {
  const flags = [['--net'], ['--user', '--map-root-user', '--net']].find(canUnshare)
  return flags === undefined ? command : ['unshare', ...flags, 'sh', '-ec', SET_UP, 'sh', ...command]
}

function canUnshare(flags) {
  return spawnSync('unshare', [...flags, 'sh', '-ec', SET_UP, 'sh', 'true'], { stdio: 'ignore' }).status === 0
}
