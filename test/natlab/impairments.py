"""Delay, jitter, loss and rate for packets in NFQUEUEs, where the kernel has no netem; standard library only.

Reads lines `QUEUE delay=MS,jitter=MS,loss=PERCENT,rate=KBIT,limit=PACKETS` and answers each with `ready QUEUE`: the first
line about a queue binds it, a later one changes it without touching the packets that wait. Ends with its input.
A packet stays in the kernel; its id and length come up, and a verdict goes down when it is due. Jitter keeps the order.
"""
import heapq
import os
import random
import select
import socket
import struct
import sys
import time

NETLINK_NETFILTER = 12
NFQNL_MSG_PACKET, NFQNL_MSG_VERDICT, NFQNL_MSG_CONFIG = (3 << 8) | 0, (3 << 8) | 1, (3 << 8) | 2
NFQA_PACKET_HDR, NFQA_PAYLOAD, NFQA_CAP_LEN = 1, 10, 13
NF_DROP, NF_ACCEPT = 0, 1
FAIL_OPEN_AND_GSO = 1 | 4
BUFFER_BYTES = 8 << 20


def attribute(kind, value):
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


class Queue:
    def __init__(self, number):
        self.number = number
        self.held = 0
        self.free_at = self.last_due = 0.0
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, 33, BUFFER_BYTES)  # SO_RCVBUFFORCE, which a user namespace lacks
        except PermissionError:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        self.socket.setsockopt(270, 5, 1)  # NETLINK_NO_ENOBUFS: what does not fit is lost, and no error
        self.socket.bind((0, 0))
        self.request(attribute(1, struct.pack("!BxH", 1, socket.AF_INET)))
        self.request(
            attribute(2, struct.pack("!IB", 64, 2))
            + attribute(3, struct.pack("!I", 16384))
            + attribute(4, struct.pack("!I", FAIL_OPEN_AND_GSO))
            + attribute(5, struct.pack("!I", FAIL_OPEN_AND_GSO))
        )
        self.heads = {
            verdict: struct.pack("=IHHII", 32, NFQNL_MSG_VERDICT, 1, 0, 0)
            + struct.pack("!BBH", 0, 0, number)
            + struct.pack("=HH", 12, 2)
            + struct.pack("!I", verdict)
            for verdict in (NF_DROP, NF_ACCEPT)
        }
        self.socket.setblocking(False)

    def impair(self, spec):
        given = dict(part.split("=") for part in spec.split(",") if part)
        self.delay = float(given.get("delay", 0)) / 1e3
        self.jitter = float(given.get("jitter", 0)) / 1e3
        self.loss = float(given.get("loss", 0)) / 100
        self.bytes_per_second = float(given.get("rate", 0)) * 1000 / 8
        self.limit = int(given.get("limit", 2000))

    def request(self, attributes):
        body = struct.pack("!BBH", socket.AF_UNSPEC, 0, self.number) + attributes
        self.socket.send(struct.pack("=IHHII", 16 + len(body), NFQNL_MSG_CONFIG, 1 | 4, 1, 0) + body)
        errno = struct.unpack_from("=i", self.socket.recv(4096), 16)[0]
        if errno:
            sys.exit(f"queue {self.number}: {os.strerror(-errno)}")

    def decide(self, packet, verdict):
        self.socket.send(self.heads[verdict] + packet)

    def take(self, waiting, now):
        for _ in range(256):
            try:
                message = self.socket.recv(65536)
            except BlockingIOError:
                return
            if struct.unpack_from("=H", message, 4)[0] == NFQNL_MSG_PACKET:
                self.schedule(*parse(message), waiting, now)

    def schedule(self, packet, length, waiting, now):
        if self.held >= self.limit or random.random() < self.loss:
            return self.decide(packet, NF_DROP)
        due = now
        if self.bytes_per_second:
            self.free_at = due = max(now, self.free_at) + length / self.bytes_per_second
        due += self.delay + (random.uniform(-self.jitter, self.jitter) if self.jitter else 0)
        due = self.last_due = max(due, self.last_due)
        if due <= now:
            return self.decide(packet, NF_ACCEPT)
        self.held += 1
        heapq.heappush(waiting, (due, struct.unpack("!I", packet[:4])[0], self.number, packet, self))


def parse(message):
    packet, length, at = b"", 0, 20
    while at + 4 <= len(message):
        size, kind = struct.unpack_from("=HH", message, at)
        if kind == NFQA_PACKET_HDR:
            packet = message[at + 4 : at + 8]
        elif kind == NFQA_PAYLOAD:
            length = max(length, size - 4)
        elif kind == NFQA_CAP_LEN:
            length = struct.unpack_from("!I", message, at + 4)[0]
        at += size + (-size % 4)
    return packet, length


def main():
    queues, waiting, rest = {}, [], b""
    while True:
        now = time.monotonic()
        while waiting and waiting[0][0] <= now:
            _, _, _, packet, queue = heapq.heappop(waiting)
            queue.held -= 1
            queue.decide(packet, NF_ACCEPT)
        pause = max(0, waiting[0][0] - time.monotonic()) if waiting else None
        readable = select.select([0, *(queue.socket for queue in queues.values())], [], [], pause)[0]
        now = time.monotonic()
        for queue in queues.values():
            if queue.socket in readable:
                queue.take(waiting, now)
        if 0 not in readable:
            continue
        chunk = os.read(0, 65536)
        if not chunk:
            return
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            number, _, spec = line.decode().partition(" ")
            queue = queues.get(int(number)) or queues.setdefault(int(number), Queue(int(number)))
            queue.impair(spec)
            print("ready", number, flush=True)


main()
