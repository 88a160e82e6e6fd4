/** In place of the package `debug` in the ponyfill: nobody reads what it says. */
// biome-ignore lint/style/noDefaultExport: it stands for a package whose only export is this.
export default function noDebug(): () => void {
  return () => {}
}
