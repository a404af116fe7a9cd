package normalize

import (
	"bytes"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"kingsnake/normalize/bytecode"
)

// decoder undoes one encoding. To add one, write its decode function in a file
// of its own and add its row to decoders; docs/how-to-add-a-decoder.md has an
// example.
type decoder struct {
	// name is the step as Layer.Transform names it.
	name string
	// calls are the functions that decode, by the full name Python gives them.
	calls []string
	// codecs are the names by which bytes.decode and codecs.decode know it, in
	// lower case and with underscores.
	codecs []string
	// decode gives the decoded bytes of in, at most limit of them: what is
	// more is cut. options are the integers among the further arguments of the
	// call. It is not ok when in is nothing that this decoder can read; of
	// input that is broken further on, it gives what could be read. It must be
	// a pure function, linear in len(in)+limit, and must not change in.
	decode func(in []byte, options []int64, limit int) (out []byte, ok bool)
	// keyed takes the place of decode where the call needs more texts, such as
	// a key: they are keys, in the order of the call, those of a constructor
	// ("Fernet(key).decrypt(token)") behind those of its method.
	keyed func(in []byte, keys [][]byte, options []int64, limit int) (out []byte, ok bool)
	// compiled takes the place of decode for what is written as source again:
	// lines says which lines the text came from.
	compiled func(in []byte, limit int) (out []byte, lines *bytecode.Lines, ok bool)
}

// decoders are all that is known.
var decoders = []decoder{
	{
		name: "base64",
		calls: []string{"base64.b64decode", "base64.standard_b64decode", "base64.urlsafe_b64decode",
			"base64.decodebytes", "base64.decodestring", "binascii.a2b_base64"},
		codecs: []string{"base64", "base_64", "base64_codec"},
		decode: decodeBase64,
	},
	{
		name: "hex",
		calls: []string{"bytes.fromhex", "bytearray.fromhex", "binascii.unhexlify", "binascii.a2b_hex",
			"base64.b16decode"},
		codecs: []string{"hex", "hex_codec"},
		decode: decodeHex,
	},
	{
		name:   "base32",
		calls:  []string{"base64.b32decode"},
		decode: decodeBase32,
	},
	{
		name:   "base85",
		calls:  []string{"base64.b85decode"},
		decode: decodeBase85,
	},
	{
		name:   "ascii85",
		calls:  []string{"base64.a85decode"},
		decode: decodeASCII85,
	},
	{
		name:   "uu",
		calls:  []string{"binascii.a2b_uu"},
		codecs: []string{"uu", "uu_codec"},
		decode: decodeUU,
	},
	{
		name:   "z85",
		calls:  []string{"base64.z85decode", "zmq.utils.z85.decode"},
		decode: decodeZ85,
	},
	{
		name:   "zlib",
		calls:  []string{"zlib.decompress", "zlib.decompressobj().decompress"},
		codecs: []string{"zlib", "zip", "zlib_codec"},
		decode: decodeZlib,
	},
	{
		name:   "gzip",
		calls:  []string{"gzip.decompress"},
		decode: decodeGzip,
	},
	{
		name:   "bz2",
		calls:  []string{"bz2.decompress", "bz2.BZ2Decompressor().decompress"},
		codecs: []string{"bz2", "bz2_codec"},
		decode: decodeBz2,
	},
	{
		name:   "lzma",
		calls:  []string{"lzma.decompress", "lzma.LZMADecompressor().decompress"},
		decode: decodeLzma,
	},
	{
		name:  "fernet",
		calls: []string{"cryptography.fernet.Fernet().decrypt", "fernet.Fernet().decrypt"},
		keyed: decodeFernet,
	},
	{
		name: "aes",
		calls: []string{"Crypto.Cipher.AES.new().decrypt", "Cryptodome.Cipher.AES.new().decrypt",
			"Crypto.Cipher.AES.new().decrypt_and_verify"},
		keyed: decodeAES,
	},
	{
		name:     "marshal",
		calls:    []string{"marshal.loads"},
		compiled: decodeMarshal,
	},
	{
		name: "pickle",
		calls: []string{"pickle.loads", "_pickle.loads", "cPickle.loads", "dill.loads", "cloudpickle.loads",
			"pandas.read_pickle", "numpy.loads"},
		decode: decodePickle,
	},
	{
		name:   "rot13",
		codecs: []string{"rot13", "rot_13"},
		decode: decodeRot13,
	},
}

// maxOutput bounds what one decoder makes of one input.
const maxOutput = 4 << 20

// decode applies a decoder to a value.
func (p *peeler) decode(d *decoder, v value, rest []value) value {
	if !v.isText() {
		p.await(v)
		return value{}
	}
	var options []int64
	var keys [][]byte
	for _, arg := range rest {
		switch {
		case arg.kind == integer:
			options = append(options, arg.num)
		case arg.isText() && d.keyed != nil:
			p.use(arg)
			keys = append(keys, arg.raw())
		}
	}
	out, lines, ok := p.run1(d, v.raw(), keys, options)
	if !ok {
		return value{}
	}
	return p.derive(v, bytesText, out, d.name).from(lines)
}

// run1 runs a decoder within what may still be made.
func (p *peeler) run1(d *decoder, in []byte, keys [][]byte, options []int64) ([]byte, *bytecode.Lines, bool) {
	limit := min(maxOutput, p.u.left())
	if limit == 0 {
		return nil, nil, false
	}
	out, lines, ok := d.run(in, keys, options, limit)
	if len(out) >= limit {
		p.u.note("cut the output of %s at %d bytes", d.name, limit)
	}
	if !ok || !p.u.spend(len(out)) {
		return nil, nil, false
	}
	return out, p.u.keep(lines), true
}

// run decodes in.
func (d *decoder) run(in []byte, keys [][]byte, options []int64, limit int) (out []byte, lines *bytecode.Lines, ok bool) {
	switch {
	case d.compiled != nil:
		return d.compiled(in, limit)
	case d.keyed != nil:
		out, ok = d.keyed(in, keys, options, limit)
	default:
		out, ok = d.decode(in, options, limit)
	}
	return out, nil, ok
}

// decodeCodec is v.decode(codec).
func (p *peeler) decodeCodec(v value, codec string) value {
	if !v.isText() {
		p.await(v)
		return value{}
	}
	codec = codecName(codec)
	if d := codecDecoders[codec]; d != nil {
		return p.decode(d, v, nil)
	}
	switch codec {
	case "utf8", "utf_8", "u8", "ascii", "us_ascii", "utf_8_sig":
		v.kind = text
		return v
	case "latin1", "latin_1", "iso_8859_1", "iso8859_1", "l1", "cp1252":
		if isASCII(v.data) || v.kind == text {
			v.kind = text
			return v
		}
		if !p.u.spend(2 * len(v.data)) {
			return value{}
		}
		data := make([]byte, 0, len(v.data)+len(v.data)/2)
		for _, c := range v.data {
			data = utf8.AppendRune(data, rune(c))
		}
		return p.derive(v, text, data, "")
	case "utf_16", "utf16", "utf_16_le", "utf_16le":
		if data, ok := decodeUTF16(v.raw()); ok && p.u.spend(len(data)) {
			return p.derive(v, text, data, "utf16")
		}
	case "unicode_escape", "string_escape", "raw_unicode_escape":
		if !p.u.spend(len(v.data)) {
			return value{}
		}
		return p.derive(v, text, unescape(v.data), "escape")
	}
	return value{}
}

// encodeCodec is v.encode(codec), where that leaves the text as it is or is
// its own inverse.
func (p *peeler) encodeCodec(v value, codec string) value {
	switch codecName(codec) {
	case "utf8", "utf_8", "u8", "ascii", "us_ascii", "latin1", "latin_1", "iso_8859_1", "iso8859_1", "l1":
		if codec[0]|0x20 != 'u' && !isASCII(v.data) {
			v = p.derive(v, bytesText, v.raw(), "")
		}
		v.kind = bytesText
		return v
	case "rot13", "rot_13":
		return p.decodeCodec(v, codec)
	}
	return value{}
}

// codecName gives the name of a codec as the table spells it.
func codecName(name string) string {
	if len(name) > 32 {
		return ""
	}
	return strings.NewReplacer("-", "_", " ", "_").Replace(strings.ToLower(name))
}

// unescape resolves the escapes of a text that holds them as such.
func unescape(in []byte) []byte {
	out := make([]byte, 0, len(in))
	for i := 0; i < len(in); {
		if in[i] != '\\' {
			out = append(out, in[i])
			i++
			continue
		}
		var n int
		out, n = appendEscape(out, in[i:], false)
		i += n
	}
	return out
}

// decodeUTF16 gives the UTF-8 of little-endian UTF-16, with or without its
// mark.
func decodeUTF16(in []byte) ([]byte, bool) {
	if len(in)%2 != 0 || len(in) < 2 {
		return nil, false
	}
	in = bytes.TrimPrefix(in, []byte{0xff, 0xfe})
	units := make([]uint16, len(in)/2)
	for i := range units {
		units[i] = uint16(in[2*i]) | uint16(in[2*i+1])<<8
	}
	return []byte(string(utf16.Decode(units))), true
}
