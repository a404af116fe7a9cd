package evade

import (
	"crypto/rc4"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
)

// pycHeader is the length of what stands before the code in a .pyc file.
const pycHeader = 16

func compiled(h Help) []Transform {
	if h.Compile == nil {
		return nil
	}
	code := func(src []byte) ([]byte, bool) {
		pyc, err := h.Compile(src)
		return pyc, err == nil && len(pyc) > pycHeader
	}
	return []Transform{
		{Name: "compile: pyc", Says: "a .pyc file", Apply: func(src []byte, _ *rand.Rand) ([]byte, bool) { return code(src) }},
		{Name: "compile: marshal", Says: "a loader with the marshaled code as a literal", Apply: func(src []byte, r *rand.Rand) ([]byte, bool) {
			pyc, ok := code(src)
			if !ok {
				return nil, false
			}
			before, expr := decoded(r, "marshal", "loads", quoteBytes(pyc[pycHeader:]))
			return []byte(before + "exec(" + expr + ")\n"), true
		}},
		{Name: "compile: marshal, compressed", Says: "a loader with the marshaled code compressed and as base64", Apply: func(src []byte, r *rand.Rand) ([]byte, bool) {
			pyc, ok := code(src)
			if !ok {
				return nil, false
			}
			name, pack := "zlib", zlibOf
			switch r.IntN(3) {
			case 0:
				name, pack = "bz2", bzip2Of
			case 1:
				name, pack = "lzma", xzOf
			}
			literal := quoteBytes([]byte(base64.StdEncoding.EncodeToString(pack(pyc[pycHeader:]))))
			return fmt.Appendf(nil, "import marshal, base64, %[1]s\nexec(marshal.loads(%[1]s.decompress(base64.b64decode(%[2]s))))\n", name, literal), true
		}},
	}
}

// wrapped are imitations of PyArmor: with the key and the way to use it in the
// script, and as it really is.
func wrapped(h Help) []Transform {
	all := []Transform{
		{Name: "armor: key in the script", Says: "the script is encrypted with RC4, key and loop stand beside it", Apply: func(src []byte, r *rand.Rand) ([]byte, bool) {
			if len(src) > 48<<10 {
				return nil, false
			}
			return armor(zlibOf(src), "exec(zlib.decompress(%s))", r)
		}},
		{Name: "armor: runtime elsewhere", Opaque: true, Says: "as PyArmor: an encrypted blob for a runtime that is not in the script", Apply: func(src []byte, r *rand.Rand) ([]byte, bool) {
			blob := zlibOf(src)
			key := make([]byte, 32)
			for i := range key {
				key[i] = byte(r.IntN(256))
			}
			c, err := rc4.NewCipher(key)
			if err != nil {
				return nil, false
			}
			c.XORKeyStream(blob, blob)
			number := fmt.Sprintf("%06d", r.IntN(1000000))
			header := append([]byte("PY"+number+"\x00\x03\x0b\x00"), make([]byte, 20)...)
			return fmt.Appendf(nil, "# Pyarmor 8.5.9 (trial), 000000, non-profits, 2024-05-01T10:00:00.000000\nfrom pyarmor_runtime_%[1]s import __pyarmor__\n__pyarmor__(__name__, __file__, %[2]s)\n", number, quoteBytes(append(header, blob...))), true
		}},
	}
	if h.Compile != nil {
		all = append(all, Transform{Name: "armor: key in the script, compiled", Says: "the marshaled code is encrypted with RC4, key and loop stand beside it", Apply: func(src []byte, r *rand.Rand) ([]byte, bool) {
			pyc, err := h.Compile(src)
			if err != nil || len(pyc) <= pycHeader || len(pyc) > 64<<10 {
				return nil, false
			}
			return armor(zlibOf(pyc[pycHeader:]), "import marshal\nexec(marshal.loads(zlib.decompress(%s)))", r)
		}})
	}
	return all
}

// armor writes a wrapper that decrypts and runs what is packed.
func armor(packed []byte, run string, r *rand.Rand) ([]byte, bool) {
	key := make([]byte, 16)
	for i := range key {
		key[i] = byte(33 + r.IntN(90))
	}
	c, err := rc4.NewCipher(key)
	if err != nil {
		return nil, false
	}
	c.XORKeyStream(packed, packed)
	f := "__" + variable(r) + "__"
	call := f + "(__name__, " + quoteBytes(key) + ", " + quoteBytes(packed) + ")"
	return fmt.Appendf(nil, `import zlib

def %s(name, key, data):
    key, data = bytearray(key), bytearray(data)
    box = list(range(256))
    j = 0
    for i in range(256):
        j = (j + box[i] + key[i %% len(key)]) %% 256
        box[i], box[j] = box[j], box[i]
    i = j = 0
    out = bytearray()
    for c in data:
        i = (i + 1) %% 256
        j = (j + box[i]) %% 256
        box[i], box[j] = box[j], box[i]
        out.append(c ^ box[(box[i] + box[j]) %% 256])
    return bytes(out)

%s
`, f, fmt.Sprintf(run, call)), true
}
