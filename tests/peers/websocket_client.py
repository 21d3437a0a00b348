"""A WebSocket client: `websocket_client.py WHAT URL [CA]` does one thing and fails if it goes wrong."""

import asyncio
import os
import ssl
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed


async def messages(open):
    async with open() as socket:
        for message in ["hello", "grüß dich ☀", "", b"\x00\xff", b"", "x" * 70_000]:
            await socket.send(message)
            assert await socket.recv() == message
        await socket.send("header")
        assert await socket.recv() == "127.0.0.1"


async def big(open):
    async with open(compression=None) as socket:
        message = os.urandom(16 << 20)
        echo = asyncio.create_task(socket.recv())
        await socket.send(message)
        assert await echo == message


async def fragments(open):
    async with open() as socket:
        await socket.send(["one ", "two ", "three"])
        assert await socket.recv() == "one two three"


async def ping(open):
    async with open() as socket:
        await (await socket.ping(b"are you there"))
        await socket.send("still here")
        assert await socket.recv() == "still here"


async def close(open):
    async with open() as socket:
        await socket.send("close")
        try:
            await socket.recv()
        except ConnectionClosed as closed:
            assert (closed.rcvd.code, closed.rcvd.reason) == (4321, "as you wish")
        else:
            assert False, "it is not closed"
    async with open() as socket:
        await socket.close(4000, "enough")
        assert socket.close_code == 4000


async def subprotocol(open):
    for offered, chosen in [(["one"], "one"), (["one", "two"], "two"), (None, None)]:
        async with open(subprotocols=offered) as socket:
            assert socket.subprotocol == chosen
            await socket.send("protocol")
            assert await socket.recv() == str(chosen)


async def deflate(open):
    async with open() as socket:
        (extension,) = socket.protocol.extensions
        assert extension.name == "permessage-deflate"
        for message in ["again and " * 10_000, "again and " * 10_000]:
            await socket.send(message)
            assert await socket.recv() == message
    async with open(compression=None) as socket:
        assert not socket.protocol.extensions


async def many(open):
    async def one(number):
        async with open() as socket:
            for turn in range(5):
                await socket.send(f"{number} {turn}")
                assert await socket.recv() == f"{number} {turn}"
                await everybody.wait()

    everybody = asyncio.Barrier(100)
    await asyncio.gather(*(one(number) for number in range(100)))


what, url, *ca = sys.argv[1:]


def open(**settings):
    tls = ssl.create_default_context(cafile=ca[0]) if ca else None
    return connect(url, ssl=tls, max_size=None, ping_interval=None, **settings)


asyncio.run(asyncio.wait_for(globals()[what](open), 30))
