package detect

import (
	"bytes"
	"crypto/sha256"
	"math/big"
	"regexp"
	"strings"

	"kingsnake/finding"
)

var (
	base58Pattern = pattern(`[13][1-9A-HJ-NP-Za-km-z]{25,34}`)
	bech32Pattern = pattern(`(?:bc1|BC1)[02-9ac-hj-np-zAC-HJ-NP-Z]{11,87}`)
	etherPattern  = pattern(`0x[0-9a-fA-F]{40}`)
	moneroPattern = pattern(`[48][1-9A-HJ-NP-Za-km-z]{94}(?:[1-9A-HJ-NP-Za-km-z]{11})?`)
)

// wallets takes the addresses of wallets whose checksum is right.
func (c *collector) wallets(v []byte) {
	for _, w := range []struct {
		pattern *regexp.Regexp
		valid   func(string) bool
	}{{base58Pattern(), bitcoin}, {bech32Pattern(), bech32}, {etherPattern(), ether}, {moneroPattern(), monero}} {
		for _, m := range w.pattern.FindAllIndex(v, maxPerText) {
			if standsAlone(v, m[0], m[1]) && w.valid(string(v[m[0]:m[1]])) {
				c.add(finding.Wallet, string(v[m[0]:m[1]]))
			}
		}
	}
}

const base58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

// base58Bytes decodes a number in base 58 into size bytes.
func base58Bytes(s string, size int) ([]byte, bool) {
	n := new(big.Int)
	for i := range len(s) {
		d := strings.IndexByte(base58, s[i])
		if d < 0 {
			return nil, false
		}
		n.Add(n.Mul(n, big.NewInt(58)), big.NewInt(int64(d)))
	}
	if n.BitLen() > 8*size {
		return nil, false
	}
	return n.FillBytes(make([]byte, size)), true
}

// bitcoin checks an address in base58check: a version, a hash of 20 bytes, and
// the first four bytes of their double SHA-256.
func bitcoin(s string) bool {
	data, ok := base58Bytes(s, 25)
	if !ok || data[0] != 0 && data[0] != 5 {
		return false
	}
	sum := sha256.Sum256(data[:21])
	sum = sha256.Sum256(sum[:])
	return bytes.Equal(sum[:4], data[21:])
}

// bech32 checks an address of Bitcoin's segregated witness (BIP 173, BIP 350).
func bech32(s string) bool {
	const alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
	if s != strings.ToLower(s) && s != strings.ToUpper(s) || len(s) < 14 || len(s) > 90 {
		return false
	}
	s = strings.ToLower(s)
	check := uint32(1)
	step := func(v uint32) {
		top := check >> 25
		check = check&0x1ffffff<<5 ^ v
		for i, g := range []uint32{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3} {
			if top>>i&1 == 1 {
				check ^= g
			}
		}
	}
	for _, c := range "bc" {
		step(uint32(c) >> 5)
	}
	step(0)
	for _, c := range "bc" {
		step(uint32(c) & 31)
	}
	for i := 3; i < len(s); i++ {
		v := strings.IndexByte(alphabet, s[i])
		if v < 0 {
			return false
		}
		step(uint32(v))
	}
	return check == 1 || check == 0x2bc830a3
}

// ether checks an Ethereum address: in mixed case its letters carry a checksum
// (EIP-55); in one case there is none, and it must look random.
func ether(s string) bool {
	digits := s[2:]
	lower := strings.ToLower(digits)
	if digits == lower || digits == strings.ToUpper(digits) {
		seen := map[byte]bool{}
		for i := range len(lower) {
			seen[lower[i]] = true
		}
		return len(seen) >= 9 && strings.ContainsAny(lower, "abcdef")
	}
	sum := keccak256([]byte(lower))
	for i := range len(lower) {
		nibble := sum[i/2] >> (4 * (1 - i%2)) & 15
		if c := lower[i]; c >= 'a' && (nibble >= 8) != (digits[i] != c) {
			return false
		}
	}
	return true
}

// monero checks an address in Monero's base 58: blocks of eight bytes in eleven
// digits, the last four bytes of all the start of the Keccak-256 of the others.
func monero(s string) bool {
	sizes := []int{0, -1, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8}
	var data []byte
	for len(s) > 0 {
		n := min(len(s), 11)
		if sizes[n] < 0 {
			return false
		}
		block, ok := base58Bytes(s[:n], sizes[n])
		if !ok {
			return false
		}
		data = append(data, block...)
		s = s[n:]
	}
	if len(data) != 69 && len(data) != 77 {
		return false
	}
	sum := keccak256(data[:len(data)-4])
	return bytes.Equal(sum[:4], data[len(data)-4:])
}
