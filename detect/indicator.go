package detect

import (
	"bytes"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"kingsnake/finding"
	"kingsnake/normalize"
)

// maxIndicator bounds one indicator, in bytes.
const maxIndicator = 512

// Bounds on what is read of one text.
const (
	maxIndicatorText = 1 << 20
	maxStrings       = 20_000
	maxString        = 64 << 10
)

// pattern returns a regular expression that is made when it is first wanted: there
// are many, and only a process that reports findings wants them.
func pattern(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}

var (
	urlPattern   = pattern(`(?i)\b(?:https?|ftp|wss?|tcp|udp|stratum\+(?:tcp|ssl))://[^\s'"<>\\` + "`" + `]{3,512}`)
	ipPattern    = pattern(`[0-9]{1,3}(?:\.[0-9]{1,3}){3}`)
	ip6Pattern   = pattern(`(?i)(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?:\.[0-9]{1,3}){0,3}`)
	namePattern  = pattern(`(?i)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){1,8}[a-z]{2,24}`)
	emailPattern = pattern(`(?i)\b[a-z0-9][a-z0-9._%+-]{0,63}@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){1,4}[a-z]{2,24}\b`)
	portPattern  = pattern(`^\s*['"]?\s*[,:]\s*(?:int\(\s*)?['"]?([0-9]{2,5})\b`)
	pathPattern  = pattern(`(?i)(?:~|/(?:tmp|var|etc|dev|root|home|proc|usr|opt|run|lib|bin)|%[a-z]+%|[a-z]:)[/\\][^\s'"<>|;:*?&(){}$` + "`" + `]{1,200}`)
	// What redaction leaves behind is not allowed in a URL.
	placeholder = pattern(`\[redacted:[^\]]*\]`)
	webhook     = pattern(`(?i)discord(?:app)?\.com/api/(?:v[0-9]+/)?webhooks/([0-9]{15,22})`)
	telegram    = pattern(`(?i)api\.telegram\.org/(?:file/)?bot([0-9]{6,12})\b`)
	registry    = pattern(`(?i)\b[a-z_]{1,40}[\\/]+(?:[a-z0-9 ]{1,40}[\\/]+){0,7}(?:` +
		`CurrentVersion[\\/]+(?:Run(?:Once|Services)?(?:Ex)?|Winlogon|Image File Execution Options|Policies[\\/]+(?:System|Explorer))|` +
		`Windows Defender(?:[\\/]+[a-z -]{1,40}){0,2}|Session Manager|CurrentControlSet[\\/]+Services[\\/]+[a-z0-9_.-]{1,60}|` +
		`ms-settings[\\/]+shell[\\/]+open[\\/]+command)\b`)
	slack = pattern(`(?i)hooks\.slack\.com/(?:services|workflows)/(T[A-Z0-9]{6,12})\b`)
)

// text reads one text: addresses and URLs anywhere, the rest in strings.
func (c *collector) text(text []byte) {
	text = text[:min(len(text), maxIndicatorText)]
	for _, m := range urlPattern().FindAll(text, 4*maxPerText) {
		c.url(string(m))
	}
	c.addresses(text)
	n := 0
	for _, t := range normalize.Lex(text) {
		if t.Kind != normalize.String || n >= maxStrings {
			continue
		}
		n++
		v, ok := normalize.StringValue(text, t)
		if !ok {
			v = t.Bytes(text)
		}
		v = v[:min(len(v), maxString)]
		alone := text[:t.Start]
		c.str(v, call(alone))
	}
}

// maxPerText bounds the matches of one pattern that are looked at in one text.
const maxPerText = 1000

// url takes a URL and the host in it.
func (c *collector) url(raw string) {
	raw = strings.TrimRight(raw, ".,;:)}]")
	if strings.Count(raw, "[") > strings.Count(raw, "]") {
		raw += "]"
	}
	u, err := url.Parse(placeholder().ReplaceAllString(raw, "x"))
	if err != nil || u.Hostname() == "" || strings.ContainsAny(u.Hostname(), "{}%$") {
		return
	}
	c.add(finding.URL, raw)
	host := u.Hostname()
	if a, ok := encodedIP(host); ok {
		c.ip(a)
	} else if a, err := netip.ParseAddr(host); err == nil {
		c.ip(a)
	} else if strings.Contains(host, ".") && !strings.Contains(host, "…") {
		c.add(finding.Domain, strings.ToLower(host))
	}
}

// ip takes an address that stands for another machine.
func (c *collector) ip(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsValid() || a.IsUnspecified() || a.IsLoopback() || a.IsMulticast() || a.Is4() && (a.As4()[0] == 0 || a.As4()[0] >= 240) {
		return false
	}
	c.add(finding.IP, a.WithZone("").String())
	return true
}

// encodedIP reads an IPv4 address written as one number, or with hexadecimal
// or octal parts, as resolvers accept it: 0x7f000001, 2130706433, 0x7f.0.0.1.
func encodedIP(host string) (netip.Addr, bool) {
	parts := strings.Split(host, ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	odd := len(parts) == 1
	var n uint64
	for i, p := range parts {
		v, err := strconv.ParseUint(p, 0, 64)
		if err != nil || strings.ContainsRune(p, '_') || len(p) > 1 && strings.IndexByte("boBO", p[1]) >= 0 || len(p) > 12 {
			return netip.Addr{}, false
		}
		odd = odd || len(p) > 1 && p[0] == '0'
		bits := 8
		if i == len(parts)-1 {
			bits = 8 * (5 - len(parts))
		}
		if v >= 1<<bits {
			return netip.Addr{}, false
		}
		n = n<<bits | v
	}
	if !odd || n < 1<<24 { // small numbers are ids
		return netip.Addr{}, false
	}
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}), true
}

// addresses takes the addresses in a text, and ports that stand behind them.
func (c *collector) addresses(text []byte) {
	for _, m := range ipPattern().FindAllIndex(text, maxPerText) {
		a, err := netip.ParseAddr(string(text[m[0]:m[1]]))
		if err != nil || !standsAlone(text, m[0], m[1]) || isVersion(text, m[0]) || !c.ip(a) {
			continue
		}
		if p := portPattern().FindSubmatch(text[m[1]:min(len(text), m[1]+32)]); p != nil {
			if port, err := strconv.Atoi(string(p[1])); err == nil && port > 0 && port < 1<<16 {
				c.add(finding.Port, netip.AddrPortFrom(a, uint16(port)).String())
			}
		}
	}
	for _, m := range ip6Pattern().FindAllIndex(text, maxPerText) {
		if m[1]-m[0] < 6 || !standsAlone(text, m[0], m[1]) || !quoted(text, m[0], m[1]) {
			continue
		}
		if a, err := netip.ParseAddr(string(text[m[0]:m[1]])); err == nil {
			c.ip(a)
		}
	}
}

// standsAlone reports whether [start, end) is not part of a longer number or
// name.
func standsAlone(text []byte, start, end int) bool {
	part := func(b byte) bool {
		return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b == '_'
	}
	if start > 0 && (part(text[start-1]) || text[start-1] == '.' || text[start-1] == '-' && start > 1 && part(text[start-2])) {
		return false
	}
	if end < len(text) && (part(text[end]) || text[end] == '-') {
		return false
	}
	return end+1 >= len(text) || text[end] != '.' || !part(text[end+1])
}

// isVersion reports whether words before a number say that it is a version.
func isVersion(text []byte, at int) bool {
	before := bytes.ToLower(text[max(0, at-24):at])
	before = bytes.TrimRight(before, " '\"=:<>~!([/")
	for _, word := range []string{"version", "version__", "ver", "release", "chrome", "safari", "firefox", "edg", "opr", "applewebkit", "gecko", "==", "ver."} {
		if bytes.HasSuffix(before, []byte(word)) {
			return true
		}
	}
	return false
}

// quoted reports whether something stands between quotes, brackets or slashes.
func quoted(text []byte, start, end int) bool {
	return start > 0 && strings.IndexByte(`'"[/@`, text[start-1]) >= 0 && end < len(text) && strings.IndexByte(`'"]/%`, text[end]) >= 0
}

// str takes what a string literal holds. In is the call that it is passed to,
// or "".
func (c *collector) str(v []byte, in string) {
	if !utf8.Valid(v) || len(v) < 3 {
		return
	}
	for _, m := range emailPattern().FindAll(v, maxPerText) {
		if _, domain, ok := strings.Cut(string(m), "@"); ok && knownEnding(domain) {
			c.add(finding.Email, strings.ToLower(string(m)))
		}
	}
	c.services(v)
	c.names(v)
	c.wallets(v)
	c.keys(v)
	if runsShell(in) || len(v) >= 8 && isCommand(string(v)) {
		c.command(string(v))
	}
	for _, m := range pathPattern().FindAllIndex(v, maxPerText) {
		p := strings.TrimRight(string(v[m[0]:m[1]]), ".,")
		if (m[0] == 0 || strings.IndexByte(" \t'\"=>:(", v[m[0]-1]) >= 0) && matters(p) {
			c.add(finding.Path, p)
		}
	}
}

func (c *collector) services(v []byte) {
	for _, s := range []struct {
		what    string
		pattern *regexp.Regexp
	}{{"discord webhook ", webhook()}, {"telegram bot ", telegram()}, {"slack webhook ", slack()}} {
		for _, m := range s.pattern.FindAllSubmatch(v, maxPerText) {
			c.add(finding.Service, s.what+string(m[1]))
		}
	}
}

// keys takes keys of the registry by which programs are started or watched.
func (c *collector) keys(v []byte) {
	if bytes.IndexByte(v, '\\') < 0 {
		return
	}
	for _, m := range registry().FindAll(v, maxPerText) {
		c.add(finding.Registry, strings.ReplaceAll(strings.TrimSpace(string(m)), `\\`, `\`))
	}
}

// names takes domains: a string that is one, or starts with one, and any .onion
// name.
func (c *collector) names(v []byte) {
	for _, m := range namePattern().FindAllIndex(v, maxPerText) {
		name := strings.ToLower(string(v[m[0]:m[1]]))
		onion := strings.HasSuffix(name, ".onion")
		if m[0] > 0 && strings.IndexByte("/@ '\"=", v[m[0]-1]) < 0 || m[0] > 0 && v[m[0]-1] == '@' && !onion {
			continue
		}
		if m[1] < len(v) && strings.IndexByte(":/ '\"?\\", v[m[1]]) < 0 {
			continue
		}
		whole := m[0] == 0 && (m[1] == len(v) || v[m[1]] == ':' || v[m[1]] == '/')
		if onion && len(name) >= 22 || whole && knownEnding(name) && !looksLikeCode(name) {
			c.add(finding.Domain, name)
		}
	}
}

// command takes a line for a shell.
func (c *collector) command(v string) {
	v = strings.Join(strings.Fields(v), " ")
	if len(v) < 3 {
		return
	}
	if len(v) > maxIndicator {
		v = v[:maxIndicator-len("…")]
		for len(v) > 0 && !utf8.ValidString(v) {
			v = v[:len(v)-1]
		}
		v += "…"
	}
	c.add(finding.Command, v)
}

// call is the dotted name before the bracket that a literal stands behind, or
// "".
func call(before []byte) string {
	before = bytes.TrimRight(before[max(0, len(before)-96):], " \t\r\n[bBrRuUfF")
	if len(before) == 0 || before[len(before)-1] != '(' {
		return ""
	}
	before = bytes.TrimRight(before[:len(before)-1], " \t")
	start := len(before)
	for start > 0 && (before[start-1] == '.' || before[start-1] == '_' || before[start-1] >= 'a' && before[start-1] <= 'z' || before[start-1] >= 'A' && before[start-1] <= 'Z' || before[start-1] >= '0' && before[start-1] <= '9') {
		start--
	}
	return string(before[start:])
}

func runsShell(name string) bool {
	switch name[strings.LastIndexByte(name, '.')+1:] {
	case "system", "popen", "Popen", "check_output", "check_call", "getoutput", "getstatusoutput", "create_subprocess_shell", "popen2", "popen3":
		return true
	case "run", "call":
		return strings.HasPrefix(name, "subprocess.")
	}
	return false
}

// isCommand reports whether a text starts like a command that attackers use.
func isCommand(v string) bool {
	word, rest, ok := strings.Cut(strings.TrimLeft(v, " \t\r\n("), " ")
	if !ok || strings.TrimSpace(rest) == "" {
		return false
	}
	switch strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(word, "/usr"), "/bin/"), "sudo ") {
	case "curl", "wget", "chmod", "nohup", "crontab", "powershell", "powershell.exe", "schtasks", "certutil", "bitsadmin", "mshta", "ncat", "nc", "socat":
		return strings.ContainsAny(rest, "-/.:")
	case "bash", "sh", "python", "python3", "cmd", "cmd.exe", "reg":
		return strings.HasPrefix(rest, "-") || strings.HasPrefix(rest, "/") || strings.HasPrefix(rest, "add ")
	}
	return false
}

// matters reports whether a path is worth looking for: a place to stay in, a
// secret, or a file in a folder where things are dropped.
func matters(path string) bool {
	p := strings.ToLower(strings.ReplaceAll(path, `\`, "/"))
	for strings.Contains(p, "//") {
		p = strings.ReplaceAll(p, "//", "/")
	}
	for _, prefix := range []string{"/tmp/", "/var/tmp/", "/dev/shm/", "/run/", "/root/", "~/.", "%temp%/", "%appdata%/", "%localappdata%/", "%programdata%/", "c:/programdata/", "c:/users/"} {
		if rest, ok := strings.CutPrefix(p, prefix); ok && rest != "" {
			return true
		}
	}
	for _, part := range []string{
		"/.ssh/", "/cron", "/etc/passwd", "/etc/shadow", "/etc/sudoers", "/etc/rc.local", "/etc/init.d/", "/systemd/", "/etc/ld.so.preload", "/etc/profile",
		"/.bashrc", "/.profile", "/.zshrc", "/.aws/", "/.kube/", "/.docker/", "/autostart/", "/startup/", "/launchagents/", "/launchdaemons/",
		"/serviceaccount/", "/docker.sock", "/containerd.sock", "/etc/kubernetes/", "/release_agent", "/core_pattern", "/login data", "/.netrc", "/.git-credentials", "/.npmrc", "/.pypirc",
	} {
		if strings.Contains(p, part) {
			return true
		}
	}
	return false
}
