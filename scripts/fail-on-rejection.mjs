// Preloaded into every test process: a rejection that nobody handles fails the whole file, whenever it happens.

process.on('unhandledRejection', (reason) => {
  console.error('unhandled rejection:', reason)
  process.exitCode = 1
  process.once('exit', () => {
    process.exitCode = 1
  })
})
