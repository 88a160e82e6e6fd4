/** The states of `wasm/peer/src/session.rs` by the names that this side has for them, with their numbers. */
export function statesOf(source: string): ReadonlyMap<string, number> {
  const variants = uncommented(/enum State \{([^}]*)\}/.exec(source)?.[1] ?? '').matchAll(/(\w+)\s*=\s*(\d+)/g)
  return new Map([...variants].map(([, name, number]) => [String(name).toLowerCase(), Number(number)]))
}

/**
 * The arrows that its function `legal` has.
 *
 * @throws Error for an arm of its `match` that can't be read, so that none is passed over.
 */
export function legalArrows(source: string): { readonly from: string; readonly to: string }[] {
  const names = [...statesOf(source).keys()]
  const body = /fn legal\(from: State, to: State\) -> bool \{\s*use State::\*;\s*match \(from, to\) \{([^}]*)\}\s*\}/
  const arms = armsOf(uncommented(body.exec(source)?.[1] ?? ''), names)
  const isLegal = (from: string, to: string): boolean => {
    const arm = arms.find(({ matches }) => matches(from, to))
    if (arm === undefined) throw new Error(`no arm for ${from} > ${to}`)
    return arm.value
  }
  return names.flatMap((from) => names.filter((to) => isLegal(from, to)).map((to) => ({ from, to })))
}

interface Arm {
  readonly matches: (from: string, to: string) => boolean
  readonly value: boolean
}

/** `(from, to) if from == to => false`, `(A | B, _) => true` and `_ => false`. */
function armsOf(body: string, names: readonly string[]): readonly Arm[] {
  const arms: Arm[] = []
  const pattern = /\s*(?:_|\(([^,()]+),([^,()]+)\)\s*(if from == to)?)\s*=>\s*(true|false)\s*(?:,|$)\s*/y
  let end = 0
  for (let found = pattern.exec(body); found !== null; found = pattern.exec(body)) {
    const [, from = '_', to = '_', guard, value] = found
    const [left, entered] = [statesIn(from, names), statesIn(to, names)]
    const matches = (a: string, b: string) =>
      left.includes(a) && entered.includes(b) && (guard === undefined || a === b)
    arms.push({ matches, value: value === 'true' })
    end = pattern.lastIndex
  }
  if (end !== body.length) throw new Error(`unread: ${body.slice(end).trim()}`)
  return arms
}

/** Those that one side of a pattern stands for: alternatives, or all of them for `_` and for a name that binds. */
function statesIn(side: string, names: readonly string[]): readonly string[] {
  if (/^\s*(_|from|to)\s*$/.test(side)) return names
  return side.split('|').map((text) => {
    const name = text.trim()
    if (!/^[A-Z]/.test(name) || !names.includes(name.toLowerCase())) throw new Error(`${name} is no state`)
    return name.toLowerCase()
  })
}

function uncommented(source: string): string {
  return source.replace(/\/\/.*$/gm, '')
}
