"""The socket the server listens on."""

import asyncio
import socket

from radsmith.server.front import listen
from radsmith.server.store.settings import ServerSettings


def test_answers_are_sent_at_once(tmp_path):
    """Without TCP_NODELAY an answer of two parts waits for the other side's delayed ACK, 40 ms."""
    bound = listen(ServerSettings(folder=tmp_path, port=0))

    async def accepted():
        found = asyncio.get_running_loop().create_future()

        async def answer(_reader, writer):
            own = writer.get_extra_info("socket")
            found.set_result(own.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        async with await asyncio.start_server(answer, sock=bound):
            _, writer = await asyncio.open_connection(*bound.getsockname())
            told = await asyncio.wait_for(found, 10)
            writer.close()
            await writer.wait_closed()
        return told

    assert asyncio.run(accepted())
