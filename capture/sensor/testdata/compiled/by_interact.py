import base64, code
code.InteractiveInterpreter().runsource(base64.b64decode((
    "c2VlbiA9ICdwbGFpbiB0ZXh0IG9mIGludGVyYWN0Jw=="
)).decode())
