/** The build of simple-peer that needs no polyfills of Node's built-ins. */
declare module 'simple-peer/simplepeer.min.js' {
  import SimplePeer from 'simple-peer'
  // biome-ignore lint/style/noDefaultExport: it has no other export.
  export default SimplePeer
}
