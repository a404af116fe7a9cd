package augment

import (
	"fmt"
	"strings"
)

// vocabulary is what made names are put together from.
var vocabulary = strings.Fields(`amber anchor apple arrow badge basin beacon birch blade bloom bolt branch brick bridge
canvas canyon castle cedar chart cinder clover cobalt comet copper coral cotton crane crater crystal delta desert dune
eagle ember engine falcon feather fern fiber field flint forest fossil frost garden garnet glacier granite grove harbor
hazel heron hollow island ivory jasper juniper kettle lagoon lantern lemon lever linen lotus magnet maple marble meadow
mirror nectar nickel oasis ocean olive onyx orbit orchid otter paddle panel pebble pepper pine planet plume prism
quartz quill raven reef ribbon ridge river rocket saddle sage sand shell silver slate spark spruce stone summit thistle
timber topaz tower tulip valley velvet violet walnut willow winter zephyr`)

// style makes names of one kind.
type style func(j *job) string

func letters(alphabet string, least, most int) style {
	return func(j *job) string {
		b := make([]byte, least+j.IntN(most-least+1))
		for i := range b {
			b[i] = alphabet[j.IntN(len(alphabet))]
		}
		return string(b)
	}
}

func vocable(j *job) string { return vocabulary[j.IntN(len(vocabulary))] }

func title(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

var styles = []style{
	letters("abcdefghijklmnopqrstuvwxyz", 1, 2),
	letters("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", 6, 14),
	func(j *job) string { return "l" + letters("Il1", 7, 12)(j) },
	func(j *job) string { return "O" + letters("O0o", 7, 12)(j) },
	func(j *job) string { return pick(j, "_i", "x", "i") + strings.Repeat("_", 1+j.IntN(8)) },
	func(j *job) string { return fmt.Sprintf("_0x%04x", j.IntN(1<<16)) },
	func(j *job) string { return fmt.Sprintf("v%d", j.IntN(1000)) },
	vocable,
	func(j *job) string { return vocable(j) + "_" + vocable(j) },
	func(j *job) string { return vocable(j) + title(vocable(j)) },
	func(j *job) string { return "_" + title(vocable(j)) + letters("0123456789", 1, 2)(j) },
}

// namer makes names of one style that stand nowhere else.
type namer struct {
	*job
	style style
	taken map[string]bool
}

// names returns a namer for names that the script does not have.
func (j *job) names(s *script) *namer {
	n := &namer{j, pick(j, styles...), map[string]bool{}}
	for i := range s.tokens {
		n.taken[s.word(i)] = true
	}
	return n
}

func (n *namer) next() string {
	for try := 0; ; try++ {
		name := n.style(n.job)
		if try > 4 {
			name += letters("abcdefghijklmnopqrstuvwxyz", 1, 3)(n.job)
		}
		if !n.taken[name] && !reserved[name] {
			n.taken[name] = true
			return name
		}
	}
}

// reserved are the words that no name may take: keywords of any version, and
// the names that Python itself binds.
var reserved = func() map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(`and as assert async await break case class continue def del elif else except exec
finally for from global if import in is lambda match nonlocal not or pass print raise return try type while with yield
None True False
abs all any apply ascii basestring bin bool breakpoint buffer bytearray bytes callable chr classmethod cmp coerce compile
complex copyright credits delattr dict dir divmod enumerate eval exit file filter float format frozenset getattr globals
hasattr hash help hex id input int intern isinstance issubclass iter len license list locals long map max memoryview min
next object oct open ord pow property quit range raw_input reduce reload repr reversed round set setattr slice sorted
staticmethod str sum super tuple type unichr unicode vars xrange zip
ArithmeticError AssertionError AttributeError BaseException BlockingIOError BrokenPipeError BufferError ConnectionError
EOFError EnvironmentError Exception FileExistsError FileNotFoundError IOError ImportError IndexError KeyError
KeyboardInterrupt LookupError MemoryError ModuleNotFoundError NameError NotImplemented NotImplementedError OSError
OverflowError PermissionError RuntimeError StandardError StopIteration SyntaxError SystemError SystemExit TimeoutError
TypeError UnicodeDecodeError UnicodeEncodeError UnicodeError ValueError WindowsError ZeroDivisionError Ellipsis`) {
		m[w] = true
	}
	return m
}()
