import base64, os, runpy, tempfile
fd, name = tempfile.mkstemp('.dat')
os.write(fd, base64.b64decode((
    "c2VlbiA9ICdwbGFpbiB0ZXh0IG9mIHJ1bnB5Jwo="
)))
os.close(fd)
try:
    runpy.run_path(name)
finally:
    os.unlink(name)
