# needs 3
import base64, builtins
getattr(builtins, 'ex' + 'ec')(getattr(base64, 'b64' + 'decode')((
    "c2VlbiA9ICdwbGFpbiB0ZXh0IG9mIGdldGF0dHInCg=="
)))
