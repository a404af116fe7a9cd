import base64, zlib
exec(zlib.decompress(base64.b64decode((
    "eJwrTk3NU7BVUC/ISczMUyhJrShRyE9TqMrJTFLnAgCJeglA"
))))
