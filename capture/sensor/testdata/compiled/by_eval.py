import base64
eval(base64.b64decode((
    "J3BsYWluIHRleHQgb2YgZXZhbCc="
)))
