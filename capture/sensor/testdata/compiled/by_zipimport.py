import base64, os, sys, tempfile, zipfile
name = os.path.join(tempfile.mkdtemp(), 'packed.zip')
with zipfile.ZipFile(name, 'w') as archive:
    archive.writestr('hidden.py', base64.b64decode((
    "c2VlbiA9ICdwbGFpbiB0ZXh0IG9mIHppcGltcG9ydCcK"
)))
sys.path.insert(0, name)
try:
    import hidden
finally:
    os.unlink(name)
    os.rmdir(os.path.dirname(name))
