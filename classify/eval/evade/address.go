package evade

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
)

var (
	dotted  = regexp.MustCompile(`(^|//|[@ '"=])(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})\b`)
	address = regexp.MustCompile(`(?i)^(https?|ftp|wss?)://|\b\d{1,3}(\.\d{1,3}){3}\b|^[\w.-]+\.(com|net|org|io|ru|cn|xyz|top|info|me|to|cc|gg|site|onion)(:\d+)?(/|$)`)
)

func addresses() []Transform {
	form := func(name, says string, write func(p spelling, r *rand.Rand) string) Transform {
		return Transform{Name: "address: " + name, Says: says, Apply: byScript(func(s *script, r *rand.Rand) ([]byte, bool) {
			var e edits
			for _, t := range s.texts() {
				if len(t.value) < 4096 && address.MatchString(t.value) {
					if text := write(spelling{parts(t, r), t.bytes, s.py2}, r); text != "" {
						e.replace(t.span(s), text)
					}
				}
			}
			return e.apply(s.src)
		})}
	}
	return []Transform{
		form("number", "IPv4 addresses in decimal, hexadecimal or octal", func(p spelling, r *rand.Rand) string {
			all := strings.Join(p.parts, "")
			other := dotted.ReplaceAllStringFunc(all, func(a string) string {
				m := dotted.FindStringSubmatch(a)
				return m[1] + number(m[2], r)
			})
			if other == all {
				return ""
			}
			return p.literal(other)
		}),
		form("split", "addresses are put together from pieces", func(p spelling, r *rand.Rand) string {
			switch r.IntN(3) {
			case 0:
				return p.join()
			case 1:
				return p.literal(p.reversed()) + "[::-1]"
			}
			return "(" + p.list(p.parts, " + ") + ")"
		}),
		form("bytes", "addresses are lists of bytes", func(p spelling, r *rand.Rand) string {
			all := strings.Join(p.parts, "")
			switch {
			case p.bytes:
				return "bytes(bytearray([" + numbers([]byte(all), 0) + "]))"
			case p.py2 || r.IntN(3) == 0:
				return "bytearray([" + numbers([]byte(all), 0) + "]).decode('utf-8')"
			case r.IntN(2) == 0:
				return "bytes.fromhex('" + fmt.Sprintf("%x", all) + "').decode()"
			}
			return "bytes([" + numbers([]byte(all), 0) + "]).decode()"
		}),
	}
}

// number writes an IPv4 address in a way that resolvers take and people do
// not read.
func number(a string, r *rand.Rand) string {
	var octets [4]uint64
	for i, part := range strings.Split(a, ".") {
		n, err := strconv.ParseUint(part, 10, 8)
		if err != nil {
			return a
		}
		octets[i] = n
	}
	switch r.IntN(4) {
	case 0:
		return fmt.Sprint(octets[0]<<24 | octets[1]<<16 | octets[2]<<8 | octets[3])
	case 1:
		return fmt.Sprintf("0x%08x", octets[0]<<24|octets[1]<<16|octets[2]<<8|octets[3])
	case 2:
		return fmt.Sprintf("0%o.0%o.0%o.0%o", octets[0], octets[1], octets[2], octets[3])
	}
	return fmt.Sprintf("0x%x.0x%x.0x%x.0x%x", octets[0], octets[1], octets[2], octets[3])
}
