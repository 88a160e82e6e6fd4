const script = globalThis.document?.currentScript
/**
 * What `import.meta.url` is in the build for classic scripts. It is known only while the script begins to run, and a worker that imports it
 * knows but its own address.
 */
export const scriptUrl = script && 'src' in script ? script.src : globalThis.location?.href
