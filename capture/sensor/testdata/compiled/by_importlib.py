# needs 3
import base64, importlib.abc, importlib.util

class Loader(importlib.abc.SourceLoader):
    def get_data(self, path):
        return base64.b64decode((
    "c2VlbiA9ICdwbGFpbiB0ZXh0IG9mIGltcG9ydGxpYicK"
))
    def get_filename(self, name):
        return name

spec = importlib.util.spec_from_loader('hidden', Loader())
spec.loader.exec_module(importlib.util.module_from_spec(spec))
