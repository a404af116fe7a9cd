# needs 3
import base64
list(map(exec, map(lambda text: base64.b64decode(text), [(
    "c2VlbiA9ICdwbGFpbiB0ZXh0IG9mIG1hcCcK"
)])))
