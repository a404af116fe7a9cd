import ast, base64
tree = ast.parse(base64.b64decode((
    "c2VlbiA9ICdwbGFpbiB0ZXh0IG9mIGFzdCcK"
)))
exec(compile(tree, '<tree>', 'exec'))
