import base64, marshal, subprocess, sys, types
pack = "import base64, marshal, sys; out = getattr(sys.stdout, 'buffer', sys.stdout); out.write(marshal.dumps(compile(base64.b64decode(sys.argv[1]), 'packed', 'exec')))"
code = subprocess.check_output([sys.executable, '-c', pack, (
    "c2VlbiA9ICdwbGFpbiB0ZXh0IG9mIGZ1bmN0aW9uJwo="
)])
types.FunctionType(marshal.loads(code), globals())()
