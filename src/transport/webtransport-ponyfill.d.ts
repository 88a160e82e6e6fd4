/** The part of `@fails-components/webtransport` for browsers, which its types leave out. */
declare module 'webtransport-ponyfill' {
  export class WebTransportPonyfill {
    constructor(url: string)
    readonly ready: Promise<unknown>
    readonly closed: Promise<unknown>
    readonly datagrams: { readonly readable: ReadableStream<Uint8Array>; createWritable(): WritableStream<Uint8Array> }
    close(): void
  }
}
