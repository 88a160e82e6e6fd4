// Runs as a worker of a hidden page: its timers are on time when the page's are not.
setInterval(() => postMessage(0), 1000)
