import base64, marshal, subprocess, sys
# Code differs from version to version, so it is made here; by another process, so that this one never has its text.
pack = "import base64, marshal, sys; out = getattr(sys.stdout, 'buffer', sys.stdout); out.write(marshal.dumps(compile(base64.b64decode(sys.argv[1]), 'packed', 'exec')))"
code = subprocess.check_output([sys.executable, '-c', pack, (
    "c2VlbiA9ICdwbGFpbiB0ZXh0IG9mIG1hcnNoYWwnCg=="
)])
exec(marshal.loads(code))
