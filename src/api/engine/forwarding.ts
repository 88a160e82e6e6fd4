import type {
  Admission,
  ConnectionStats,
  ConnectRequest,
  DialTargets,
  Engine,
  EngineAddress,
  EngineEvent,
  PeerStats,
  RelayInfo,
  TicketParts,
  WebTransportCertificate,
} from '../../driver/engine.js'

/** An engine that passes everything on to another one: the base of those that add something to it. */
export class ForwardingEngine implements Engine {
  readonly endpointId: Uint8Array

  constructor(protected readonly inner: Engine) {
    this.endpointId = inner.endpointId
  }

  relays(): Promise<RelayInfo[]> {
    return this.inner.relays()
  }

  localAddresses(): Promise<EngineAddress[]> {
    return this.inner.localAddresses()
  }

  connect(request: ConnectRequest): Promise<number> {
    return this.inner.connect(request)
  }

  addAddresses(connectionId: number, targets: DialTargets): void {
    this.inner.addAddresses(connectionId, targets)
  }

  admit(incomingId: number, decision: Admission): void {
    this.inner.admit(incomingId, decision)
  }

  openStream(connectionId: number, bidirectional: boolean, wait?: boolean): Promise<number> {
    return this.inner.openStream(connectionId, bidirectional, wait)
  }

  read(connectionId: number, streamId: number, maxBytes: number): Promise<Uint8Array<ArrayBuffer> | null> {
    return this.inner.read(connectionId, streamId, maxBytes)
  }

  write(connectionId: number, streamId: number, bytes: Uint8Array): Promise<void> {
    return this.inner.write(connectionId, streamId, bytes)
  }

  finish(connectionId: number, streamId: number): Promise<void> {
    return this.inner.finish(connectionId, streamId)
  }

  reset(connectionId: number, streamId: number, code: number): void {
    this.inner.reset(connectionId, streamId, code)
  }

  stop(connectionId: number, streamId: number, code: number): void {
    this.inner.stop(connectionId, streamId, code)
  }

  setPriority(connectionId: number, streamId: number, priority: number): void {
    this.inner.setPriority(connectionId, streamId, priority)
  }

  sendDatagram(connectionId: number, bytes: Uint8Array): Promise<void> {
    return this.inner.sendDatagram(connectionId, bytes)
  }

  maxDatagramBytes(connectionId: number): Promise<number> {
    return this.inner.maxDatagramBytes(connectionId)
  }

  closeConnection(connectionId: number, code: number, reason: string): void {
    this.inner.closeConnection(connectionId, code, reason)
  }

  connectionStats(connectionId: number): Promise<ConnectionStats> {
    return this.inner.connectionStats(connectionId)
  }

  peerStats(): Promise<PeerStats> {
    return this.inner.peerStats()
  }

  ping(connectionId: number): void {
    this.inner.ping(connectionId)
  }

  keyUpdate(connectionId: number): void {
    this.inner.keyUpdate(connectionId)
  }

  networkChanged(): void {
    this.inner.networkChanged()
  }

  setVisible(visible: boolean): void {
    this.inner.setVisible(visible)
  }

  wake(): void {
    this.inner.wake()
  }

  resumed(): void {
    this.inner.resumed()
  }

  answerSession(sessionId: number, status: number): Promise<boolean> {
    return this.inner.answerSession(sessionId, status)
  }

  webTransportCertificates(): Promise<WebTransportCertificate[]> {
    return this.inner.webTransportCertificates()
  }

  parseTicket(text: string): Promise<TicketParts> {
    return this.inner.parseTicket(text)
  }

  formatTicket(parts: TicketParts): Promise<string> {
    return this.inner.formatTicket(parts)
  }

  close(code: number, reason: string, timeoutMs: number): Promise<void> {
    return this.inner.close(code, reason, timeoutMs)
  }

  onEvent(listener: (event: EngineEvent) => void): void {
    this.inner.onEvent(listener)
  }
}
