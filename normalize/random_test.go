package normalize

import "testing"

// TestRandom has what CPython 3.11 draws from the same seeds.
func TestRandom(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, draws, want string }{
		{"a number", "random.seed(5489)\nr = [random.getrandbits(32) for _ in range(3)]", "3382763572,956215839,417760592"},
		{"a text", "random.seed('key')\nr = [random.randint(1, 100000) for _ in range(3)]", "73608,36576,63643"},
		{"a long number", "random.seed(600027321859512497123)\nr = [random.randint(0, 255) for _ in range(3)]", "214,15,88"},
		{"a negative number, far on", "random.seed(-7)\nr = [random.randrange(1000) for _ in range(700)][-3:]", "347,566,427"},
		{"bytes", "random.seed(3)\nr = list(random.randbytes(7))", "253,63,235,60,80,183,151"},
		{"a list that is shuffled", "random.seed(1)\nr = list(range(8))\nrandom.shuffle(r)", "3,6,1,5,7,0,4,2"},
		{"in a list over one that is drawn as well", "random.seed(4)\nr = [n * 10 + random.randint(0, 9) for n in [random.randint(0, 9) for _ in range(3)]]", "36,47,12"},
		{"for what is always the same", "random.seed(4)\nr = [ord(c) ^ random.randint(0, 255) for c in 'a' * 700][-3:]", "250,51,192"},
		{"no seed", "r = [random.randint(0, 255) for _ in range(3)]", ""},
		{"in a function that is not called", "random.seed(1)\ndef f():\n    x = random.random(), random.getrandbits(8)\nr = [random.getrandbits(8)]", "34"},
	} {
		src := "import random\n" + test.draws + "\n'numbers: ' + ','.join(str(n) for n in r)\n"
		got := ""
		for _, c := range Normalize([]byte(src)).Layers[0].Constants {
			if s := string(c.Value); len(s) > 9 && s[:9] == "numbers: " {
				got = s[9:]
			}
		}
		if got != test.want {
			t.Errorf("%s: drew %q, want %q", test.name, got, test.want)
		}
	}
}
