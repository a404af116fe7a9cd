package sensor

import "strings"

// joinNames makes a path of the names that the kernel half sent: each ends in a
// NUL, the last name of the path comes first.
func joinNames(names []byte) string {
	parts := strings.Split(strings.TrimSuffix(string(names), "\x00"), "\x00")
	var b strings.Builder
	for i := len(parts) - 1; i >= 0; i-- {
		if parts[i] == "" || parts[i] == "/" {
			continue
		}
		b.WriteByte('/')
		b.WriteString(parts[i])
	}
	if b.Len() == 0 {
		return "/"
	}
	return b.String()
}
