/** Object URLs of files, which keep their bytes in memory until they are revoked. */

/** What browsers draw without running anything. SVG is not among them: it can hold scripts and links. */
const PICTURES: ReadonlySet<string> = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/avif'])
const MAX_PICTURE_BYTES = 20_000_000

export const isPicture = (mediaType: string, sizeBytes: number): boolean =>
  PICTURES.has(mediaType) && sizeBytes > 0 && sizeBytes <= MAX_PICTURE_BYTES

export class ObjectUrls {
  readonly #urls = new Set<string>()

  /** A URL of the bytes, of a type that can do no harm even when it is opened by itself. */
  create(blob: Blob, mediaType: string): string {
    const type = PICTURES.has(mediaType) ? mediaType : 'application/octet-stream'
    const url = URL.createObjectURL(blob.slice(0, blob.size, type))
    this.#urls.add(url)
    return url
  }

  revoke(url: string): void {
    if (this.#urls.delete(url)) URL.revokeObjectURL(url)
  }

  revokeAll(): void {
    for (const url of [...this.#urls]) this.revoke(url)
  }
}
