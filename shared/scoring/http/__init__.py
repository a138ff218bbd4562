"""HTTP/1.1 on asyncio and httptools: messages, the protocol with its limits, and the listening server."""
