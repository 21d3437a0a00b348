"""A WebSocket server that says back what it is told. Says its port when it listens."""

import asyncio

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed


async def echo(socket):
    try:
        async for message in socket:
            match message:
                case "close":
                    await socket.close(4321, "as you wish")
                case "protocol":
                    await socket.send(str(socket.subprotocol))
                case "header":
                    await socket.send(socket.request.headers["X-Forwarded-For"])
                case _:
                    await socket.send(message)
    except ConnectionClosed:
        pass


def choose(_, offered):
    return next((known for known in ["two", "one"] if known in offered), None)


async def main():
    async with serve(
        echo, "127.0.0.1", 0, max_size=None, select_subprotocol=choose, ping_interval=None
    ) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


asyncio.run(main())
