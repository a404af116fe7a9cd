import base64
code = compile(base64.b64decode((
    "c2VlbiA9ICdwbGFpbiB0ZXh0IG9mIGNvbXBpbGUnCg=="
)), '<string>', 'exec')
exec(code)
