package finding

import (
	"regexp"
	"strconv"
	"strings"
)

// Indicators are what can be looked for elsewhere, seen in the layers: each
// list in the order of the text, without repeats, at most MaxIndicators long.
type Indicators struct {
	IPs      []string `json:"ips,omitempty"`
	Domains  []string `json:"domains,omitempty"`
	URLs     []string `json:"urls,omitempty"`
	Ports    []string `json:"ports,omitempty"`
	Emails   []string `json:"emails,omitempty"`
	Wallets  []string `json:"wallets,omitempty"`
	Services []string `json:"services,omitempty"`
	Paths    []string `json:"paths,omitempty"`
	Commands []string `json:"commands,omitempty"`
	Registry []string `json:"registry,omitempty"`
}

// list is the list of a kind, or nil for one that is not known.
func (in *Indicators) list(k Kind) *[]string {
	switch k {
	case IP:
		return &in.IPs
	case Domain:
		return &in.Domains
	case URL:
		return &in.URLs
	case Port:
		return &in.Ports
	case Email:
		return &in.Emails
	case Wallet:
		return &in.Wallets
	case Service:
		return &in.Services
	case Path:
		return &in.Paths
	case Command:
		return &in.Commands
	case Registry:
		return &in.Registry
	}
	return nil
}

// Kinds are all kinds of indicators, in the order in which they are shown.
var Kinds = []Kind{URL, IP, Port, Domain, Email, Wallet, Service, Command, Path, Registry}

// Add appends an indicator to the list of its kind.
func (in *Indicators) Add(i Indicator) {
	if list := in.list(i.Kind); list != nil {
		*list = append(*list, i.Value)
	}
}

// Of gives the indicators of a kind.
func (in Indicators) Of(k Kind) []string {
	if list := in.list(k); list != nil {
		return *list
	}
	return nil
}

// Kind says what an indicator is.
type Kind string

// The kinds of indicators.
const (
	IP       Kind = "ip"       // an address, not of this machine
	Port     Kind = "port"     // that is connected to, with its address: "203.0.113.7:4444"
	Domain   Kind = "domain"   // a name with a known ending
	URL      Kind = "url"      //
	Email    Kind = "email"    //
	Wallet   Kind = "wallet"   // a bitcoin, ether or monero address whose checksum is right
	Path     Kind = "path"     // a file that matters: a place to stay in, a secret, a dropped file
	Command  Kind = "command"  // a line for a shell
	Service  Kind = "service"  // an account at a chat service, without its secret: "discord webhook 123"
	Registry Kind = "registry" // a key of the Windows registry in which programs stay
)

// Indicator is something that can be looked for elsewhere. Its value may be
// dangerous to click: show it with [Indicator.Defanged].
type Indicator struct {
	Kind  Kind   `json:"kind"`
	Value string `json:"value"`
}

// Defanged is the value in a form that no program makes a link of, and on one
// line: hxxp://203[.]0[.]113[.]7/x.
func (i Indicator) Defanged() string {
	v := i.Value
	switch i.Kind {
	case URL:
		scheme, rest, ok := strings.Cut(v, "://")
		if !ok {
			break
		}
		scheme = strings.Replace(strings.ToLower(scheme), "http", "hxxp", 1)
		host, path := rest, ""
		if k := strings.IndexAny(rest, "/?#"); k >= 0 {
			host, path = rest[:k], rest[k:]
		}
		v = scheme + "://" + defang(host) + path
	case IP, Port, Domain:
		v = defang(v)
	case Email:
		v = strings.Replace(defang(v), "@", "[at]", 1)
	case Command:
		v = urlWithin.ReplaceAllStringFunc(v, func(u string) string { return Indicator{URL, u}.Defanged() })
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && !strconv.IsPrint(r) {
			return ' '
		}
		return r
	}, v)
}

// urlWithin is a URL in the middle of a command.
var urlWithin = regexp.MustCompile(`(?i)[a-z]+://[^\s'"` + "`" + `|;<>]+`)

func defang(host string) string {
	host = strings.ReplaceAll(host, ".", "[.]")
	if strings.Count(host, ":") > 1 && !strings.Contains(host, "[") { // IPv6
		host = strings.ReplaceAll(host, ":", "[:]")
	}
	return host
}
