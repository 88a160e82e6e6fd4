import { report } from './report.js'

report().then(postMessage, (error) => postMessage({ id: String(error) }))
