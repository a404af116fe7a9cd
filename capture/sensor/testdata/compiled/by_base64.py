import base64
exec(base64.b64decode((
    "c2VlbiA9ICdwbGFpbiB0ZXh0IG9mIGJhc2U2NCcK"
)))
