# coding: utf-8
import base64
exec(base64.b64decode((
    "bm90ZSA9IHUnw7zDsdGX5ryi8J+QjScKc2VlbiA9ICdwbGFpbiB0ZXh0IG9mIGxldHRlcn"
    "MnCg=="
)).decode('utf-8'))
