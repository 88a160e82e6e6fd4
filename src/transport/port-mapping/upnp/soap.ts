import type { ConnectionService } from './description.js'
import { escapeXml, find, parseXml } from './xml.js'

/** What a device answers to an action: its values by name, or a refusal. */
export type SoapAnswer = { readonly values: ReadonlyMap<string, string> } | { readonly refusal: UpnpRefusal }

/** Why a device does not do something (UPnP Device Architecture 2.0 section 3.2.3). */
export interface UpnpRefusal {
  /** 0 where the device names none. */
  readonly code: number
  readonly description: string
}

/** The names of an action's arguments have an order (UPnP Device Architecture 2.0 section 3.1.1). */
export type SoapArguments = readonly (readonly [name: string, value: string | number])[]

/** The header and the body that order an action. */
export function encodeAction(type: ConnectionService['type'], action: string, args: SoapArguments) {
  const inner = args.map(([name, value]) => `<${name}>${escapeXml(String(value))}</${name}>`).join('')
  const body =
    '<?xml version="1.0"?>\r\n<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/">' +
    `<s:Body><u:${action} xmlns:u="${type}">${inner}</u:${action}></s:Body></s:Envelope>\r\n`
  return { body, headers: { 'content-type': 'text/xml; charset="utf-8"', soapaction: `"${type}#${action}"` } }
}

/** Reads the answer to an action; `undefined` when it is malformed. */
export function readAnswer(text: string, action: string): SoapAnswer | undefined {
  const body = find(parseXml(text), 'Body')
  const answer = find(body, `${action}Response`)
  if (answer !== undefined) return { values: new Map(answer.children.map(({ name, text }) => [name, text])) }
  const error = find(body, 'UPnPError')
  if (error === undefined) return undefined
  const code = Number(find(error, 'errorCode')?.text)
  const description = (find(error, 'errorDescription')?.text ?? '').slice(0, 100)
  return { refusal: { code: Number.isInteger(code) ? code : 0, description } }
}
