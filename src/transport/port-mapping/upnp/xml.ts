import sax from 'sax'

/** A device describes itself, and answers, with far fewer and flatter elements. */
const MAX_ELEMENTS = 2000
const MAX_DEPTH = 32

/** An element: its name without the prefix of its namespace, its text, and what is in it. */
export interface XmlElement {
  readonly name: string
  readonly children: readonly XmlElement[]
  readonly text: string
}

interface OpenElement extends XmlElement {
  readonly children: OpenElement[]
  text: string
}

/** Reads a document; `undefined` when it is malformed, or larger than a router's ever is. Entities of its own stay as they are. */
export function parseXml(text: string): XmlElement | undefined {
  const parser = sax.parser(true, { trim: true })
  const root: OpenElement = { name: '', children: [], text: '' }
  const open = [root]
  let count = 0
  parser.onerror = (error) => {
    throw error
  }
  parser.onopentag = ({ name }) => {
    const element = { name: name.slice(name.indexOf(':') + 1), children: [], text: '' }
    count += 1
    if (count > MAX_ELEMENTS || open.length > MAX_DEPTH) throw new RangeError('too many elements')
    open.at(-1)?.children.push(element)
    open.push(element)
  }
  parser.ontext = parser.oncdata = (piece) => {
    const element = open.at(-1)
    if (element !== undefined) element.text += piece
  }
  parser.onclosetag = () => {
    open.pop()
  }
  try {
    parser.write(text).close()
    return root.children[0]
  } catch {
    return undefined
  }
}

/** The first element of that name, at any depth. */
export function find(element: XmlElement | undefined, name: string): XmlElement | undefined {
  if (element === undefined || element.name === name) return element
  for (const child of element.children) {
    const found = find(child, name)
    if (found !== undefined) return found
  }
  return undefined
}

/** All elements of that name, at any depth. */
export function findAll(element: XmlElement, name: string): XmlElement[] {
  return [...(element.name === name ? [element] : []), ...element.children.flatMap((child) => findAll(child, name))]
}

/** Makes a text part of a document. */
export function escapeXml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
