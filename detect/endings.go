package detect

import "strings"

// endings are the last labels of names that are taken for domains: those of
// countries, and the common others. Python's own file endings and attributes
// that are endings as well (.py, .sh, .name, .so …) only count with a reason,
// see looksLikeCode.
var endings = func() map[string]bool {
	m := map[string]bool{}
	for e := range strings.FieldsSeq(`
com net org edu gov mil int arpa info biz name pro mobi tel asia cat jobs travel xxx onion test example invalid
io dev app me co ai xyz top site online club shop store tech space website live cloud host fun icu vip win work
world today life link click stream download bid trade date review racing party science loan men cam pw buzz rest
monster quest cyou sbs cfd bond lol pics rocks network systems agency digital email solutions services center group
run page blog wiki news media zone team studio design software ninja exchange finance gg
ac ad ae af ag al am ao ar at au az ba bb bd be bf bg bh bi bj bm bn bo br bs bt bw by bz ca cc cd cf cg ch ci cl cm
cn cr cu cv cx cy cz de dj dk dm do dz ec ee eg er es et eu fi fj fm fo fr ga gb gd ge gh gi gl gm gn gq gr gt gu gy
hk hn hr ht hu id ie il im in iq ir is it je jm jo jp ke kg kh ki kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc
md mg mk ml mm mn mo mr mt mu mv mw mx my mz na nc ne ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pr ps pt pw py
qa re ro rs ru rw sa sb sc sd se sg sh si sk sl sm sn so sr st su sv sx sy sz tc td tg th tj tk tl tm tn to tr tt tv
tw tz ua ug uk us uy uz va vc ve vg vn vu ws ye za zm zw`) {
		m[e] = true
	}
	return m
}()

// knownEnding reports whether a name ends like a domain.
func knownEnding(name string) bool {
	i := strings.LastIndexByte(name, '.')
	return i > 0 && endings[strings.ToLower(name[i+1:])]
}

// looksLikeCode reports whether a name that ends like a domain is rather a
// module, an attribute or a file: os.name, setup.py, run.sh, lib.so, README.md.
func looksLikeCode(name string) bool {
	i := strings.LastIndexByte(name, '.')
	switch name[i+1:] {
	case "py", "sh", "so", "pl", "rs", "md", "cc", "ps", "do", "name", "id", "is", "in", "as", "re", "test", "run", "st", "la", "am", "ms", "lock", "info", "email", "date", "link", "host", "int", "page", "group", "download", "stream", "media", "design", "services", "network", "store", "cat", "mo", "li", "br", "th", "tr", "td", "hr":
	default:
		return false
	}
	if strings.Count(name, ".") > 1 { // with a host or a second label
		return knownModule[name[:strings.IndexByte(name, '.')]]
	}
	return len(name) < 12 || !strings.ContainsAny(name, "0123456789-")
}

// knownModule are first parts of dotted names in code.
var knownModule = map[string]bool{
	"os": true, "sys": true, "self": true, "socket": true, "subprocess": true, "urllib": true, "requests": true, "http": true,
	"email": true, "logging": true, "setuptools": true, "distutils": true, "django": true, "flask": true, "numpy": true,
	"torch": true, "tensorflow": true, "google": true, "azure": true, "test": true, "tests": true, "xml": true, "json": true,
	"concurrent": true, "importlib": true, "unittest": true, "ctypes": true, "matplotlib": true, "pandas": true,
}
