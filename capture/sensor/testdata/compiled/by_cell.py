import ast, base64
# As notebooks do: a cell is parsed, and each statement run as if it had been typed.
namespace = {}
def run_cell(source):
    for node in ast.parse(source).body:
        exec(compile(ast.Interactive([node]), '<cell>', 'single'), namespace)
run_cell(base64.b64decode((
    "c2VlbiA9ICdwbGFpbiB0ZXh0IG9mIGNlbGwnCg=="
)).decode())
