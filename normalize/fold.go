package normalize

import "unicode/utf8"

// compatible are the characters that may stand in an identifier and that
// Python reads as ASCII, by what they are read as: Unicode's compatibility form
// (NFKC) without the blocks that appendFolded computes.
var compatible = map[string]string{
	"0":    "\U0001fbf0",
	"1":    "\U0001fbf1",
	"2":    "\U0001fbf2",
	"3":    "\U0001fbf3",
	"4":    "\U0001fbf4",
	"5":    "\U0001fbf5",
	"6":    "\U0001fbf6",
	"7":    "\U0001fbf7",
	"8":    "\U0001fbf8",
	"9":    "\U0001fbf9",
	"A":    "\u1d2c",
	"B":    "\u1d2e\u212c",
	"C":    "\u2102\u212d\u216d\ua7f2",
	"D":    "\u1d30\u2145\u216e",
	"DZ":   "\u01f1",
	"Dz":   "\u01f2",
	"E":    "\u1d31\u2130",
	"F":    "\u2131\ua7f3",
	"G":    "\u1d33",
	"H":    "\u1d34\u210b\u210c\u210d",
	"I":    "\u1d35\u2110\u2111\u2160",
	"II":   "\u2161",
	"III":  "\u2162",
	"IJ":   "\u0132",
	"IV":   "\u2163",
	"IX":   "\u2168",
	"J":    "\u1d36",
	"K":    "\u1d37\u212a",
	"L":    "\u1d38\u2112\u216c",
	"LJ":   "\u01c7",
	"Lj":   "\u01c8",
	"M":    "\u1d39\u2133\u216f",
	"N":    "\u1d3a\u2115",
	"NJ":   "\u01ca",
	"Nj":   "\u01cb",
	"O":    "\u1d3c",
	"P":    "\u1d3e\u2119",
	"Q":    "\u211a\ua7f4",
	"R":    "\u1d3f\u211b\u211c\u211d",
	"T":    "\u1d40",
	"U":    "\u1d41",
	"V":    "\u2164\u2c7d",
	"VI":   "\u2165",
	"VII":  "\u2166",
	"VIII": "\u2167",
	"W":    "\u1d42",
	"X":    "\u2169",
	"XI":   "\u216a",
	"XII":  "\u216b",
	"Z":    "\u2124\u2128",
	"_":    "\ufe33\ufe34\ufe4d\ufe4e\ufe4f",
	"a":    "\u00aa\u1d43\u2090",
	"b":    "\u1d47",
	"c":    "\u1d9c\u217d",
	"d":    "\u1d48\u2146\u217e",
	"dz":   "\u01f3",
	"e":    "\u1d49\u2091\u212f\u2147",
	"f":    "\u1da0",
	"ff":   "\ufb00",
	"ffi":  "\ufb03",
	"ffl":  "\ufb04",
	"fi":   "\ufb01",
	"fl":   "\ufb02",
	"g":    "\u1d4d\u210a",
	"h":    "\u02b0\u2095\u210e",
	"i":    "\u1d62\u2071\u2139\u2148\u2170",
	"ii":   "\u2171",
	"iii":  "\u2172",
	"ij":   "\u0133",
	"iv":   "\u2173",
	"ix":   "\u2178",
	"j":    "\u02b2\u2149\u2c7c",
	"k":    "\u1d4f\u2096",
	"l":    "\u02e1\u2097\u2113\u217c",
	"lj":   "\u01c9",
	"m":    "\u1d50\u2098\u217f",
	"n":    "\u207f\u2099",
	"nj":   "\u01cc",
	"o":    "\u00ba\u1d52\u2092\u2134",
	"p":    "\u1d56\u209a",
	"q":    "\U000107a5",
	"r":    "\u02b3\u1d63",
	"s":    "\u017f\u02e2\u209b",
	"st":   "\ufb05\ufb06",
	"t":    "\u1d57\u209c",
	"u":    "\u1d58\u1d64",
	"v":    "\u1d5b\u1d65\u2174",
	"vi":   "\u2175",
	"vii":  "\u2176",
	"viii": "\u2177",
	"w":    "\u02b7",
	"x":    "\u02e3\u2093\u2179",
	"xi":   "\u217a",
	"xii":  "\u217b",
	"y":    "\u02b8",
	"z":    "\u1dbb",
}

// plainForms finds the ASCII form of a character of compatible.
var plainForms = func() map[rune]string {
	m := map[rune]string{}
	for plain, all := range compatible {
		for _, r := range all {
			m[r] = plain
		}
	}
	return m
}()

// appendFolded appends the ASCII that r is a variant of, or r itself. The
// blocks that are computed are full width forms, and Mathematical Alphanumeric
// Symbols, which are the alphabet in 13 styles, then Greek, then the digits in
// five styles.
func appendFolded(out []byte, r rune) []byte {
	switch {
	case r >= 0xff10 && r <= 0xff19, r >= 0xff21 && r <= 0xff3a, r >= 0xff41 && r <= 0xff5a, r == 0xff3f:
		return append(out, byte(r-0xfee0))
	case r >= 0x1d400 && r <= 0x1d6a3:
		k := byte((r - 0x1d400) % 52)
		if k < 26 {
			return append(out, 'A'+k)
		}
		return append(out, 'a'+k-26)
	case r >= 0x1d7ce && r <= 0x1d7ff:
		return append(out, '0'+byte((r-0x1d7ce)%10))
	}
	if plain, ok := plainForms[r]; ok {
		return append(out, plain...)
	}
	return utf8.AppendRune(out, r)
}
