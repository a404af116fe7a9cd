package normalize

import "bytes"

// commandLine looks for a Python program among the words of a command: the
// word behind "-c".
func (p *peeler) commandLine(words []value) {
	for i := 1; i+1 < len(words); i++ {
		if !words[i].isText() || string(words[i].data) != "-c" || !words[i+1].isText() {
			continue
		}
		before := words[i-1]
		if !before.isText() || bytes.Contains(before.data, []byte("python")) {
			p.report(words[i+1], true)
		}
	}
}

// shellLine looks for a Python program in a command for the shell: what is
// quoted behind "python -c".
func (p *peeler) shellLine(v value) {
	if !v.isText() {
		return
	}
	line := v.data
	from := bytes.Index(line, []byte("python"))
	if from < 0 {
		return
	}
	option := bytes.Index(line[from:], []byte("-c"))
	if option < 0 {
		return
	}
	start := from + option + 2
	for start < len(line) && line[start] == ' ' {
		start++
	}
	if start >= len(line) || line[start] != '\'' && line[start] != '"' {
		return
	}
	quote := line[start]
	start++
	end := start
	for end < len(line) && line[end] != quote {
		if line[end] == '\\' && quote == '"' {
			end++
		}
		end++
	}
	end = min(end, len(line))
	used := v.extra != nil && v.extra.used
	part := p.substring(v, start, end, "")
	if v.extra != nil {
		v.extra.used = used
	}
	p.report(part, true)
}
