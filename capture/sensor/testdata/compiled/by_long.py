import base64, zlib
text = zlib.decompress(base64.b64decode((
    "eJztybEJgDAQAMA+UzykyBQOYxFFCIlgCt1esHWF6w4ux+jtiTb6njIzMzMzMzMzMzMzMz"
    "MzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMz"
    "MzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMz"
    "MzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMz"
    "MzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMzMz"
    "MzMzMzMzMzMzMz/3zV2mOJcrb16DHrPWNsX5X0AjTLSQg="
)))
assert len(text) > 100000
exec(text)
