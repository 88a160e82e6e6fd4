"""An independent WebTransport client over aioquic's HTTP/3: `client.py PORT SCENARIO`. Prints what it saw as one line of JSON."""

import asyncio
import hashlib
import json
import ssl
import sys

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, FrameType, H3Connection, H3Stream
from aioquic.h3.events import (
    DatagramReceived,
    DataReceived,
    HeadersReceived,
    WebTransportStreamDataReceived,
)
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, StreamReset

ANSWER_SECONDS = 20
CLOSE_SESSION = 0x2843


class Client(QuicConnectionProtocol):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.http = H3Connection(self._quic, enable_webtransport=True)
        self.events = asyncio.Queue()
        self.terminated = asyncio.get_running_loop().create_future()

    def quic_event_received(self, event):
        if isinstance(event, ConnectionTerminated) and not self.terminated.done():
            self.terminated.set_result(event.error_code)
        if isinstance(event, StreamReset):
            self.events.put_nowait(event)
        for http_event in self.http.handle_event(event):
            self.events.put_nowait(http_event)

    async def next(self, kind):
        while True:
            event = await asyncio.wait_for(self.events.get(), ANSWER_SECONDS)
            if isinstance(event, kind):
                return event

    def request(self, *fields, end_stream=False):
        stream = self._quic.get_next_available_stream_id()
        self.http.send_headers(stream, [(name.encode(), value.encode()) for name, value in fields], end_stream)
        self.transmit()
        return stream

    async def status(self):
        return dict((await self.next(HeadersReceived)).headers)[b":status"].decode()

    async def session(self, path):
        session = self.request(
            (":method", "CONNECT"),
            (":scheme", "https"),
            (":authority", "127.0.0.1"),
            (":path", path),
            (":protocol", "webtransport"),
            ("user-agent", "aioquic"),
            ("x-long-enough-for-a-second-byte-of-length", "v" * 400),
        )
        return session, await self.status()

    def stream(self, session, one_way):
        stream = self.http.create_webtransport_stream(session, is_unidirectional=one_way)
        if not one_way:
            # aioquic takes what comes back on such a stream for HTTP unless it is told.
            known = self.http._stream.setdefault(stream, H3Stream(stream))
            known.frame_type, known.session_id = FrameType.WEBTRANSPORT_STREAM, session
        return stream

    def send(self, stream, data, end=True):
        self._quic.send_stream_data(stream, data, end)
        self.transmit()

    async def whole_stream(self):
        received = b""
        while True:
            event = await self.next(WebTransportStreamDataReceived)
            received += event.data
            if event.stream_ended:
                return received


def varint(number):
    return (number | 0x4000).to_bytes(2, "big") if number > 63 else bytes([number])


async def use(client):
    """A session with streams both ways, a datagram and a close."""
    session, status = await client.session("/echo?by=aioquic")
    sent = bytes(range(256)) * 4096
    client.send(client.stream(session, False), sent)
    echoed = await client.whole_stream()
    client.send(client.stream(session, True), b"one way")
    answered = await client.whole_stream()
    client.http.send_datagram(session, b"ping")
    client.transmit()
    datagram = (await client.next(DatagramReceived)).data
    close = (9).to_bytes(4, "big") + b"bye"
    client.http.send_data(session, varint(CLOSE_SESSION) + varint(len(close)) + close, True)
    client.transmit()
    while not (await client.next(DataReceived)).stream_ended:
        pass
    return {
        "status": status,
        "same": hashlib.sha256(echoed).digest() == hashlib.sha256(sent).digest(),
        "answered": answered.decode(),
        "datagram": datagram.decode(),
        "settings": {hex(key): value for key, value in client.http.received_settings.items()},
    }


async def others(client):
    """Requests that are not for a session, and one that is refused."""
    get = client.request(
        (":method", "GET"), (":scheme", "https"), (":authority", "a"), (":path", "/"), end_stream=True
    )
    plain = await client.status()
    client.request((":method", "CONNECT"), (":authority", "example.com:443"))
    tunnel = await client.status()
    _, forbidden = await client.session("/forbidden")
    _, allowed = await client.session("/echo")
    return {"get": get, "plain": plain, "tunnel": tunnel, "forbidden": forbidden, "allowed": allowed}


async def misbehave(client):
    """DATA before HEADERS, for which the connection is closed."""
    stream = client._quic.get_next_available_stream_id()
    client.send(stream, bytes([FrameType.DATA, 1, 0]), False)
    return {"code": await asyncio.wait_for(client.terminated, ANSWER_SECONDS)}


async def main(port, scenario):
    configuration = QuicConfiguration(
        alpn_protocols=H3_ALPN, is_client=True, verify_mode=ssl.CERT_NONE, max_datagram_frame_size=65536
    )
    async with connect("127.0.0.1", port, configuration=configuration, create_protocol=Client) as client:
        print(json.dumps(await scenario(client)), flush=True)


asyncio.run(main(int(sys.argv[1]), {"use": use, "others": others, "misbehave": misbehave}[sys.argv[2]]))
