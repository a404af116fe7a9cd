package redact

import (
	"path"
	"strings"
)

// Args replaces the secrets in the arguments of a process, args[0] included. It
// knows what Text knows, and besides that the value after --password, of
// --token=…, of NAME=value, and of the -u user:password pair that curl and its
// like take. It does not change args.
func Args(args []string) []string {
	out := make([]string, len(args))
	var flag string // the argument before, when it is a flag that takes a value
	for i, a := range args {
		switch {
		case flag != "":
			out[i] = flagValue(flag, a)
		case i > 0 && path.Base(args[0]) == "sshpass" && strings.HasPrefix(a, "-p") && len(a) > 2:
			out[i] = "-p" + whole("password", a[2:])
		default:
			out[i] = argument(a)
		}
		flag = ""
		if strings.HasPrefix(a, "-") && len(a) <= maxName && !strings.ContainsAny(a, "= \n") {
			flag = a
		}
	}
	return out
}

// flagValue redacts the argument that follows a flag.
func flagValue(flag, a string) string {
	if kind := kindOfName([]byte(flag)); kind != "" && !strings.HasPrefix(a, "-") {
		return whole(kind, a)
	}
	if flag == "-u" || flag == "--user" {
		user, password, ok := strings.Cut(a, ":")
		if ok && !strings.ContainsAny(a, " /\n") && strings.Trim(password, "0123456789") != "" {
			return user + ":" + whole("password", password)
		}
	}
	return argument(a)
}

// argument redacts one argument by itself.
func argument(a string) string {
	name, value, ok := strings.Cut(a, "=")
	if ok && len(name) <= maxName && strings.Trim(name, nameBytes) == "" {
		if kind := kindOfName([]byte(name)); kind != "" && (strings.HasPrefix(name, "-") || name == strings.ToUpper(name)) {
			return name + "=" + whole(kind, value)
		}
	}
	return String(a)
}

const nameBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

// whole replaces value as a whole, unless it plainly is no secret; then it is
// read like any text.
func whole(kind, value string) string {
	b := []byte(value)
	switch {
	case len(b) == 0, placeholderLen(b) == len(b):
		return value
	case isObviousSetting(value), b[0] == '$', isPath(b), len(b) > maxValue:
		return String(value)
	}
	if at := strings.Index(value, string(opening)); at >= 0 && placeholderLen(b[at:]) > 0 {
		return value // redacted before
	}
	out, _ := appendPlaceholder(nil, kind, b)
	return string(out)
}

// isObviousSetting reports whether the value of a variable or a flag with a
// telling name is a switch rather than a secret.
func isObviousSetting(v string) bool {
	switch strings.ToLower(v) {
	case "", "0", "1", "true", "false", "yes", "no", "on", "off", "none", "null", "-", "env", "prompt":
		return true
	}
	return strings.Trim(v, "*") == "" || strings.HasPrefix(v, "/")
}

// Env replaces the secrets in an environment of NAME=value strings: the value
// of every name that tells of a secret, and what Text knows elsewhere. It does
// not change env.
func Env(env []string) []string {
	out := make([]string, len(env))
	for i, e := range env {
		name, value, ok := strings.Cut(e, "=")
		kind := ""
		if ok {
			kind = kindOfVariable(name)
		}
		if kind != "" {
			out[i] = name + "=" + whole(kind, value)
			continue
		}
		out[i] = String(e)
	}
	return out
}

// kindOfVariable is kindOfName for the environment, where a telling word
// anywhere in the name counts, unless the last word says that the value is
// about the secret and not the secret.
func kindOfVariable(name string) string {
	up := strings.ToUpper(name)
	last := up[strings.LastIndexByte(up, '_')+1:]
	switch last {
	case "FILE", "PATH", "DIR", "URL", "URI", "HOST", "PORT", "NAME", "ID", "TYPE", "TTL", "EXPIRY", "EXPIRES", "EXPIRATION",
		"LENGTH", "ENABLED", "ENDPOINT", "REGION", "VERSION", "COUNT", "LIMIT", "USER", "MODE", "TIMEOUT":
		return ""
	}
	if kind := kindOfName([]byte(name[max(0, len(name)-maxName):])); kind != "" {
		return kind
	}
	flat := strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(name[:min(len(name), 2*maxName)]))
	for _, n := range names {
		if strings.Contains(flat, n.ending) && n.ending != "pwd" {
			return n.kind
		}
	}
	if strings.Contains(flat, "credential") {
		return "secret"
	}
	return ""
}
