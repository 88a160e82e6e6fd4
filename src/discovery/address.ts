/** The transport id of an address at which browsers open sessions: "ANYW" in ASCII. iroh's registry `TRANSPORTS.md` leaves it free. */
export const WEB_TRANSPORT_ID = 0x414e5957n

/**
 * One address of a peer, as tickets and discovery give it. Kinds that this version does not know are kept byte for byte, so that a
 * ticket can be passed on unharmed.
 */
export type TicketAddress =
  | { readonly kind: 'relay'; readonly url: string }
  | { readonly kind: 'ip'; readonly host: string; readonly port: number }
  | { readonly kind: 'custom'; readonly transportId: bigint; readonly data: Uint8Array }
  | { readonly kind: 'unknown'; readonly data: Uint8Array }
