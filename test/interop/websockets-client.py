"""Asks a WebSocket server to send messages back, by Python's websockets, and prints what held."""
import asyncio
import sys

import websockets


async def main(url):
    async with websockets.connect(url, max_size=None) as socket:
        for message in ["small", b"\x00\xff" * 100, "x" * 70_000, b"y" * 4_000_000, ""]:
            await socket.send(message)
            assert await socket.recv() == message, len(message)
        await socket.send(["in ", "three ", "parts"])
        parts = ""
        while parts != "in three parts":
            parts += await socket.recv()
            assert "in three parts".startswith(parts), parts
        waiter = await socket.ping()
        await asyncio.wait_for(waiter, 10)
    print("closed", socket.close_code)


asyncio.run(main(sys.argv[1]))
