package classify

import (
	"math/bits"
	"strings"
	"sync"
)

// symbol is the hash of a dotted name such as "socket.socket().connect". Zero
// means that nothing is known.
type symbol uint64

const (
	hashStart = 14695981039346656037
	hashPrime = 1099511628211
)

// hashBytes is FNV-1a with a stronger finish.
func hashBytes[T string | []byte](s T) uint64 {
	h := uint64(hashStart)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * hashPrime
	}
	return finish(h)
}

// finish spreads every bit of h over all bits.
func finish(h uint64) uint64 {
	h ^= h >> 32
	h *= 0x9e3779b97f4a7c15
	return h ^ h>>29
}

// join hashes two hashes, in this order.
func join(a, b uint64) uint64 { return finish(a*hashPrime ^ b*0xc2b2ae3d27d4eb4f ^ 0x165667b19e3779f9) }

// The symbols of what has no name.
var (
	unknown   = rootSymbol("?")
	stringSym = rootSymbol("str")
	classSym  = rootSymbol("class")
)

func rootSymbol[T string | []byte](name T) symbol { return symbol(hashBytes(name)) }

// attr is the symbol of the attribute whose name has the hash name.
func (s symbol) attr(name uint64) symbol { return symbol(join(uint64(s), name)) }

// call is the symbol of what calling s returns.
func (s symbol) call() symbol { return symbol(join(uint64(s), 0x2829)) }

// from is the symbol of passing what b names to a.
func (s symbol) from(b symbol) symbol { return symbol(join(uint64(s)+1, uint64(b))) }

// parseSymbol hashes a name in the spelling of the behavior table.
func parseSymbol(name string) symbol {
	if to, from, ok := strings.Cut(name, "<-"); ok {
		return parseSymbol(to).from(parseSymbol(from))
	}
	var s symbol
	for i, part := range strings.Split(name, ".") {
		part, calls := strings.CutSuffix(part, "()")
		if i == 0 {
			s = rootSymbol(part)
		} else {
			s = s.attr(hashBytes(part))
		}
		if calls {
			s = s.call()
		}
	}
	return s
}

// noBehavior marks the absence of a behavior in a table of indexes.
const noBehavior = -1

// lexicon finds behaviors by symbol, by text and by id.
type lexicon struct {
	bySymbol hashTable
	builtins hashTable
	byID     map[string]int
	texts    *matcher

	connect, address int // behaviors that more than names and texts show
}

// behavior finds the behavior of a symbol.
func (l *lexicon) behavior(s symbol) (b int, ok bool) { return l.bySymbol.get(uint64(s)) }

// hashTable is a map from hashes, which are not zero, that is never changed
// after it is built. Looking for what is not there takes one read, mostly.
type hashTable struct {
	keys   []uint64 // at the place of their lowest bits or behind it
	values []int16
}

func newHashTable(m map[uint64]int) hashTable {
	t := hashTable{make([]uint64, 2<<bits.Len(uint(len(m)))), make([]int16, 2<<bits.Len(uint(len(m))))}
	for key, value := range m {
		i := t.find(key)
		t.keys[i], t.values[i] = key, int16(value)
	}
	return t
}

// find gives the place of a key, or the empty place where it would be.
func (t *hashTable) find(key uint64) int {
	mask := len(t.keys) - 1
	i := int(key) & mask
	for t.keys[i] != key && t.keys[i] != 0 {
		i = (i + 1) & mask
	}
	return i
}

func (t *hashTable) get(key uint64) (value int, ok bool) {
	i := t.find(key)
	return int(t.values[i]), t.keys[i] != 0
}

// hashSet tells most hashes that are not in it from those that are.
type hashSet [64]uint64

func (s *hashSet) add(h uint64)      { s[h>>6&63] |= 1 << (h & 63) }
func (s *hashSet) has(h uint64) bool { return s[h>>6&63]>>(h&63)&1 == 1 }

// words returns the one lexicon; it is never changed after it is built, and only
// built where scripts are judged.
var words = sync.OnceValue(newLexicon)

func newLexicon() *lexicon {
	l := &lexicon{byID: map[string]int{}}
	symbols, builtins := map[uint64]int{}, map[uint64]int{}
	var patterns []pattern
	for i, b := range behaviors {
		l.byID[b.id] = i
		for _, name := range b.names {
			symbols[uint64(parseSymbol(name))] = i
			if strings.Contains(name, "<-") { // what a function gives is passed on, mostly
				symbols[uint64(parseSymbol(name+"()"))] = i
			}
		}
		for _, text := range b.texts {
			patterns = append(patterns, pattern{text, i})
		}
	}
	for name := range strings.FieldsSeq(builtinNames) {
		builtins[hashBytes(name)] = 1
	}
	l.bySymbol, l.builtins = newHashTable(symbols), newHashTable(builtins)
	l.connect, l.address = l.byID["net.connect"], l.byID["net.ipurl"]
	l.texts = newMatcher(patterns)
	return l
}

// builtinNames are the names that mean the same in every script unless it
// binds them itself.
const builtinNames = `
__import__ abs all any apply ascii basestring bin bool breakpoint buffer bytearray bytes callable
chr classmethod cmp compile complex delattr dict dir divmod enumerate eval exec execfile exit file
filter float format frozenset getattr globals hasattr hash help hex id input int isinstance
issubclass iter len list locals long map max memoryview min next object oct open ord pow print
property quit range raw_input reduce reload repr reversed round set setattr slice sorted
staticmethod str sum super tuple type unichr unicode vars xrange zip
__builtins__ __file__ __name__ __doc__ __loader__ __spec__ __dict__ self cls
Exception BaseException KeyboardInterrupt SystemExit ImportError OSError IOError ValueError
KeyError TypeError RuntimeError AttributeError NotImplementedError
async await match case nonlocal`

// BehaviorCount is how many behaviors the features know.
func BehaviorCount() int { return len(behaviors) }

// Behaviors lists the ids of what a script can be seen to do, each once, in the
// order of the table of behaviors.
func (f *Features) Behaviors() []string {
	var buffer [behaviorMax]uint8
	var all behaviorSet
	for i := range f.blocks {
		all.union(f.blocks[i].does)
	}
	members := all.members(buffer[:0])
	ids := make([]string, len(members))
	for i, m := range members {
		ids[i] = behaviors[m].id
	}
	return ids
}
