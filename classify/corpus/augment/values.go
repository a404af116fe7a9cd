package augment

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"kingsnake/normalize"
)

var (
	anAddress = regexp.MustCompile(`\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b`)
	aHost     = regexp.MustCompile(`(https?|wss?|ftp)://([A-Za-z0-9-]+\.)+[A-Za-z]{2,18}\b`)
	aBrowser  = regexp.MustCompile(`^Mozilla/\d[^'"\n]{10,300}$`)
	aFile     = regexp.MustCompile(`(/tmp/|/var/tmp/|/dev/shm/)(\.?[A-Za-z][\w-]{1,40})\b|\b()([A-Za-z][\w-]{1,40})\.(?:exe|sh|bat|vbs|ps1|dll|elf|bin|scr)\b`)
	notPublic = regexp.MustCompile(`^(127\.|0\.|10\.|169\.254\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|255\.|22[4-9]\.|23\d\.|[0-9]\.\d+\.\d+\.\d+$)`)
)

// tools are programs whose name says what is done.
var tools = map[string]bool{
	"cmd": true, "powershell": true, "pwsh": true, "bash": true, "python": true, "python3": true, "pythonw": true, "wscript": true, "cscript": true,
	"explorer": true, "taskkill": true, "schtasks": true, "reg": true, "rundll32": true, "regsvr32": true, "curl": true, "certutil": true,
	"kernel32": true, "user32": true, "ntdll": true, "advapi32": true, "chrome": true, "firefox": true, "msedge": true, "discord": true,
}

var browsers = []string{
	"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:115.0) Gecko/20100101 Firefox/115.0",
	"Mozilla/5.0 (Macintosh; Intel Mac OS X 13_4) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.5 Safari/605.1.15",
	"Mozilla/5.0 (compatible; collector/1.0)",
}

// values gives addresses, ports, hosts, browsers and file names other values,
// the same everywhere. What is not somebody's own stays: loopback, private and
// metadata addresses, and the names of well-known programs.
func values(s *script, j *job) []byte {
	fresh := map[string]string{}
	other := func(old string, make func() string) string {
		if _, ok := fresh[old]; !ok {
			fresh[old] = make()
		}
		return fresh[old]
	}
	stay := pick(j, 0, 0, 30) // of a hundred hosts
	var edits []edit
	for i, t := range s.tokens {
		old := s.word(i)
		with := old
		switch {
		case t.Kind == normalize.Number && s.isPort(i):
			with = other(old, func() string { return strconv.Itoa(1025 + j.IntN(60000)) })
		case t.Kind == normalize.String && t.End-t.Start < 16<<10:
			with = anAddress.ReplaceAllStringFunc(old, func(a string) string {
				if notPublic.MatchString(a) {
					return a
				}
				return other(a, func() string { return publicAddress(j) })
			})
			with = aHost.ReplaceAllStringFunc(with, func(u string) string {
				scheme, host, _ := strings.Cut(u, "://")
				return scheme + "://" + other(host, func() string {
					if local(host) || j.IntN(100) < stay {
						return host
					}
					return pick(j, "", "cdn.", "api.", vocable(j)+".", vocable(j)+"-"+vocable(j)+".") + "example." + pick(j, "com", "org", "net")
				})
			})
			with = aFile.ReplaceAllStringFunc(with, func(f string) string {
				m := aFile.FindStringSubmatch(f)
				name := m[2] + m[4]
				if tools[strings.ToLower(name)] {
					return f
				}
				return strings.Replace(f, name, other(name, func() string { return vocable(j) + pick(j, "", "_"+vocable(j)) }), 1)
			})
			if value, ok := normalize.StringValue(s.text, t); ok && aBrowser.Match(value) {
				with = "'" + pick(j, browsers...) + "'"
			}
		}
		if with != old {
			edits = append(edits, edit{int(t.Start), int(t.End), with})
		}
	}
	return apply(s.text, edits)
}

// isPort reports whether number i looks like the port of an address.
func (s *script) isPort(i int) bool {
	n, err := strconv.Atoi(s.word(i))
	if err != nil || n < 1024 || n > 65535 {
		return false
	}
	if i < 2 {
		return false
	}
	if s.word(i-1) == "=" || s.word(i-1) == ":" {
		return strings.Contains(strings.ToLower(s.word(i-2)), "port")
	}
	return s.word(i-1) == "," && (s.tokens[i-2].Kind == normalize.String && anAddress.MatchString(s.word(i-2)) ||
		strings.Contains(strings.ToLower(s.word(i-2)), "host"))
}

// publicAddress returns an address that is reserved and not private.
func publicAddress(j *job) string {
	switch j.IntN(4) {
	case 0:
		return fmt.Sprintf("192.0.2.%d", 1+j.IntN(254))
	case 1:
		return fmt.Sprintf("198.51.100.%d", 1+j.IntN(254))
	case 2:
		return fmt.Sprintf("203.0.113.%d", 1+j.IntN(254))
	}
	return fmt.Sprintf("198.%d.%d.%d", 18+j.IntN(2), j.IntN(256), 1+j.IntN(254))
}

// local reports whether a host is one of a cluster's or a cloud's own.
func local(host string) bool {
	return strings.HasSuffix(host, ".internal") || strings.HasSuffix(host, ".svc") || strings.HasSuffix(host, ".local") || strings.HasPrefix(host, "169.254.")
}
