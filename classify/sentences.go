package classify

import (
	"slices"
	"strings"
)

// A template is a predicate of "the script …" with slots for values: {url}
// stands for a URL that the statements name. A slot may have words for when
// none is known, {host|another machine}; a template in which a slot without
// such words stays empty is not used.
type template string

// The slots.
const (
	slotHost    = "host"    // a machine that is connected to, with its port
	slotURL     = "url"     // an address that is fetched from or sent to
	slotCommand = "command" // what a process is started with
	slotPath    = "path"    // a file or folder
	slotName    = "name"    // the first text that is passed
)

// concrete says what a behavior is with its values. A behavior that is not
// listed is said by its own words, with the text it was recognized by.
var concrete = map[string]template{
	"net.connect":     "connects to {host}",
	"net.listen":      "listens for network connections at {host}",
	"net.dns":         "looks up {host} in the DNS",
	"net.mail":        "sends mail through {host}",
	"net.ftp":         "transfers files by FTP with {host}",
	"net.ssh":         "logs in to {host} by SSH",
	"net.telnet":      "logs in to {host} by Telnet",
	"net.ipurl":       "uses the network address {host}",
	"http.get":        "fetches {url}",
	"http.post":       "sends data to {url}",
	"http.save":       "downloads {url}",
	"code.fetched":    "downloads code from {url} and executes it",
	"file.fetchpart":  "saves what it fetched from {url}",
	"proc.shell":      "runs the command {command}",
	"proc.run":        "starts {command}",
	"proc.replace":    "replaces itself with {command}",
	"proc.pty":        "gives {command} a terminal",
	"proc.open":       "opens {path} with its program",
	"exec.import":     "imports {name} by name at run time",
	"env.read":        "reads the environment variable {name}",
	"file.write":      "writes {path}",
	"file.chmod":      "changes the rights of {path}",
	"file.delete":     "deletes {path}",
	"file.copy":       "copies or renames {path}",
	"file.walk":       "walks {path}",
	"data.read":       "reads {path}",
	"data.sqlite":     "reads the database {path}",
	"mem.dll":         "loads the native library {path}",
	"host.publicip":   "asks {url} for its own address",
	"cred.metadata":   "asks the cloud's metadata service, {url}",
	"text.inlinepy":   "starts Python with code on the command line",
	"text.powershell": "runs PowerShell",
}

// context lists behaviors that are harmless by themselves. They are never a
// reason of their own: what the model made of them is part of what no behavior
// explains. Behaviors without a technique are context as well.
var context = []string{"exec.compile", "fd.fileno", "hide.output", "data.read", "file.self"}

// details lists behaviors that only describe what another one does. When the
// same statement does something else too, they are part of that reason.
var details = []string{
	"net.ipurl", "net.socket", "text.exe", "text.shell", "text.cmdexe", "text.powershell", "text.devtcp", "text.inlinepy",
	"text.pipesh", "exfil.raw", "exfil.drop", "exec.import", "exec.eval", "exec.getattr", "dec.chr", "dec.hex", "dec.base64", "dec.zlib",
	"enc.base64", "env.read", "file.temp", "file.write", "file.fetchpart", "file.delete", "host.publicip", "hide.window",
}

// joint is what behaviors mean together. When it was seen that the first one's
// outcome reaches the second, it is said in the words of flows, else of says.
// Words that stand empty are put together from those of each behavior.
type joint struct {
	parts     [][]string // of each part the heaviest behavior counts
	flows     template
	says      template
	technique string
}

func parts(list ...string) [][]string {
	out := make([][]string, len(list))
	for i, alternatives := range list {
		out[i] = strings.Fields(alternatives)
	}
	return out
}

const (
	anyProcess = "proc.shell proc.run proc.replace proc.pty"
	anyConnect = "net.connect net.socket"
	anyFetch   = "http.save http.get"
	anySend    = "http.post exfil.webhook net.send exfil.drop net.mail http.get"
	anyDecoder = "dec.base64 dec.zlib dec.hex dec.marshal dec.cipher dec.chr"
)

// joints is in order of preference: the first that fits is said.
var joints = []joint{
	{parts(anyConnect, "fd.dup", anyProcess), "connects to {host|another machine} and gives the connection to {command|a shell}", "connects to {host|another machine}, duplicates file descriptors and starts {command|a process}", "T1059.004"},
	{parts(anyConnect, "fd.dup"), "connects to {host|another machine} and makes the connection its input and output", "connects to {host|another machine} and duplicates file descriptors", "T1059.004"},
	{parts(anyConnect, "proc.pty"), "connects to {host|another machine} and gives {command|a shell} a terminal", "connects to {host|another machine} and gives {command|a shell} a terminal", "T1059.004"},
	{parts("net.recv", "proc.shell proc.run"), "runs what it receives from {host|the network} as commands", "receives data from {host|the network} and runs {command|commands}", "T1059.004"},
	{parts("net.recv", "exec.code exec.eval"), "executes code that it receives from {host|the network}", "receives data from {host|the network} and executes code built at run time", "T1059.006"},
	{parts("dec.marshal", "exec.code"), "loads compiled code from data and executes it", "loads compiled code from data and executes code built at run time", "T1027"},
	{parts("dec.cipher", "exec.code"), "decrypts data and executes the result", "decrypts data and executes code built at run time", "T1140"},
	{parts("dec.zlib", "exec.code"), "decompresses data and executes the result", "decompresses data and executes code built at run time", "T1140"},
	{parts("dec.base64", "exec.code"), "decodes base64 and executes the result", "decodes base64 and executes code built at run time", "T1140"},
	{parts("dec.hex", "exec.code"), "decodes hexadecimal and executes the result", "decodes hexadecimal and executes code built at run time", "T1140"},
	{parts("dec.chr", "exec.code"), "spells code out of character codes and executes it", "spells text out of character codes and executes code built at run time", "T1027"},
	{parts(anyFetch, "exec.code exec.eval"), "downloads code from {url|a server} and executes it", "fetches {url|something} and executes code built at run time", "T1059.006"},
	{parts(anyFetch, "proc.shell proc.run proc.open"), "downloads {url|a file} and runs it: {command|a process}", "downloads {url|something} and runs {command|commands}", "T1105"},
	{parts(anyFetch, "file.chmod"), "downloads {url|a file} and makes it executable", "downloads {url|something} and changes the rights of {path|a file}", "T1105"},
	{parts(anyDecoder, "proc.shell proc.run"), "decodes what it runs: {command|a command}", "decodes data and runs {command|commands}", "T1140"},
	{parts("cred.k8s cred.cloud cred.ssh cred.shadow cred.metadata steal.browser steal.wallet steal.chat", anySend), "", "", ""},
	{parts("env.all", anySend), "", "", "T1552.001"},
	{parts("spy.keys spy.screen spy.audio spy.clip", anySend), "", "", ""},
	{parts("host.user host.info host.net", anySend), "", "", ""},
	{parts("data.read file.walk file.zip", "http.post exfil.webhook net.send net.mail"), "", "", "T1020"},
	{parts("cred.k8s", "net.connect"), "", "reads the pod's service-account token and connects to {host|another machine}", "T1528"},
	{parts("file.walk", "enc.cipher"), "encrypts the files that it finds", "walks the file system and encrypts data", "T1486"},
	{parts("install.hook", "proc.run proc.shell"), "", "runs {command|commands} while a package is installed", "T1195.002"},
	{parts("install.hook", "http.get http.save"), "", "fetches {url|something} while a package is installed", "T1195.002"},
	{parts("install.hook", "http.post"), "", "sends data to {url|a server} while a package is installed", "T1195.002"},
}

// sends are the words for sending something on, by the behavior that sends.
var sends = map[string]template{
	"exfil.webhook": "sends %s to {url|a chat service}",
	"exfil.drop":    "sends %s to {url|a drop site}",
	"net.mail":      "sends %s by mail",
	"net.send":      "sends %s over the network",
	"http.post":     "sends %s to {url|a server}",
	"http.get":      "sends %s to {url|a server} with a request",
}

// values gives the value of a slot, or "".
type values func(slot string) string

// none knows no values.
func none(string) string { return "" }

// fill puts values into a template. It fails when one without words is missing.
func (t template) fill(value values) (string, bool) {
	var b strings.Builder
	rest := string(t)
	for {
		before, after, ok := strings.Cut(rest, "{")
		b.WriteString(before)
		if !ok {
			return b.String(), true
		}
		slot, tail, _ := strings.Cut(after, "}")
		name, words, _ := strings.Cut(slot, "|")
		v := value(name)
		if v == "" {
			v = words
		}
		if v == "" {
			return "", false
		}
		b.WriteString(v)
		rest = tail
	}
}

// slotSeen stands for the text that a behavior was recognized by. It is no slot
// of a template, but added to the words of behaviors that have none.
const slotSeen = "seen"

// predicate says what a behavior does, with values if there are any.
func predicate(b int, value values) string {
	t, ok := concrete[behaviors[b].id]
	if s, full := t.fill(value); ok && full {
		return s
	}
	if v := value(slotSeen + " " + behaviors[b].id); v != "" && !ok {
		return behaviors[b].says + " (" + v + ")"
	}
	return behaviors[b].says
}

// predicate says what behaviors do together.
func (j *joint) predicate(chosen []int, flows bool, value values) string {
	words := j.says
	if flows && j.flows != "" {
		words = j.flows
	}
	if words != "" {
		s, _ := words.fill(value)
		return s
	}
	clauses := make([]string, len(chosen))
	for i, b := range chosen {
		clauses[i] = predicate(b, value)
		if t, ok := sends[behaviors[b].id]; ok && i > 0 && (flows || behaviors[b].id != "http.get") {
			what := "data"
			if flows {
				what = "that"
			}
			if s, ok := template(strings.ReplaceAll(string(t), "%s", what)).fill(value); ok {
				clauses[i] = s
			}
		}
	}
	return strings.Join(clauses, " and ")
}

func sentence(says string) string { return "The script " + says + "." }

// isContext reports whether a behavior is never a reason of its own.
func isContext(b int) bool {
	return behaviors[b].technique == "" || slices.Contains(context, behaviors[b].id)
}

func isDetail(b int) bool { return slices.Contains(details, behaviors[b].id) }
