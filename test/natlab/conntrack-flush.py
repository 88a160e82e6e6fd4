"""Forgets every connection that the network namespace tracks, as `conntrack -F` does; standard library only."""
import os
import socket
import struct

NETLINK_NETFILTER, NLM_F_REQUEST, NLM_F_ACK = 12, 1, 4
IPCTNL_MSG_CT_DELETE = (1 << 8) | 2
with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as netlink:
    body = struct.pack("=BBH", socket.AF_INET, 0, 0)  # without a tuple: all of them
    head = struct.pack("=IHHII", 16 + len(body), IPCTNL_MSG_CT_DELETE, NLM_F_REQUEST | NLM_F_ACK, 1, 0)
    netlink.send(head + body)
    errno = struct.unpack_from("=i", netlink.recv(4096), 16)[0]
raise SystemExit(f"conntrack: {os.strerror(-errno)}" if errno else 0)
