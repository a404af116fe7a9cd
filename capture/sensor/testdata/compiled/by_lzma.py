# needs 3
import base64, lzma
exec(lzma.decompress(base64.b64decode((
    "/Td6WFoAAATm1rRGAgAhARYAAAB0L+WjAQAbc2VlbiA9ICdwbGFpbiB0ZXh0IG9mIGx6bW"
    "EnCgA/rzf2PtcwzwABNByTGq2PH7bzfQEAAAAABFla"
))))
