// Preloaded into Azurite: it ends when the process that started it closes its standard input, or dies.
process.stdin.on("end", () => process.exit(0));
process.stdin.resume();
