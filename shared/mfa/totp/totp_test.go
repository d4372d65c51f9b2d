package totp

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// rfcSecret is the ASCII string of RFC 6238 appendix B.
func rfcSecret() Secret {
	return newSecret([secretBytes]byte([]byte("12345678901234567890")))
}

func at(step int64) time.Time { return time.Unix(step*30+7, 0) }

func mustCode(t interface{ Fatal(...any) }, secret Secret, step int64) string {
	code, err := Code(secret, at(step))
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// RFC 6238 appendix B, SHA-1: of eight digits the last six.
func TestRFC6238Vectors(t *testing.T) {
	for _, c := range []struct {
		unix, step int64
		code       string
	}{
		{59, 1, "94287082"},
		{1111111109, 37037036, "07081804"},
		{1111111111, 37037037, "14050471"},
		{1234567890, 41152263, "89005924"},
		{2000000000, 66666666, "69279037"},
		{20000000000, 666666666, "65353130"},
	} {
		now, want := time.Unix(c.unix, 0), c.code[2:]
		if code, err := Code(rfcSecret(), now); code != want || err != nil {
			t.Errorf("Code at %d = %q, %v, want %q", c.unix, code, err, want)
		}
		if step, err := Match(rfcSecret(), want, now, Never); step != c.step || err != nil {
			t.Errorf("Match at %d = %d, %v, want %d", c.unix, step, err, c.step)
		}
	}
}

func TestStep(t *testing.T) {
	for unix, want := range map[int64]int64{-31: -2, -30: -1, -1: -1, 0: 0, 29: 0, 30: 1, 59: 1, 60: 2} {
		if got := Step(time.Unix(unix, 0)); got != want {
			t.Errorf("Step(%d) = %d, want %d", unix, got, want)
		}
	}
}

func TestMatchWindow(t *testing.T) {
	const current = 1000
	for offset, want := range map[int64]error{-3: ErrWrong, -2: ErrWrong, -1: nil, 0: nil, 1: nil, 2: ErrWrong, 3: ErrWrong} {
		step, err := Match(rfcSecret(), mustCode(t, rfcSecret(), current+offset), at(current), Never)
		if !errors.Is(err, want) || err == nil && step != current+offset {
			t.Errorf("code of T%+d = %d, %v, want %v", offset, step, err, want)
		}
	}
}

func TestMatchAtTheEdgesOfTime(t *testing.T) {
	for _, unix := range []int64{math.MinInt64 / 2, -31, -30, -1, 0, 1 << 50} {
		if step, err := Match(rfcSecret(), "000000", time.Unix(unix, 0), Never); err == nil && step < 0 {
			t.Errorf("Match at %d = %d", unix, step)
		}
	}
	first := mustCode(t, rfcSecret(), 0)
	if step, err := Match(rfcSecret(), first, time.Unix(-1, 0), Never); step != 0 || err != nil {
		t.Errorf("Match = %d, %v, want step 0 as the next one", step, err)
	}
	if _, err := Code(rfcSecret(), time.Unix(-1, 0)); !errors.Is(err, ErrWrong) {
		t.Errorf("Code before 1970: %v", err)
	}
}

func TestAttack01SameCodeTwice(t *testing.T) {
	const current = 5000
	for _, offset := range []int64{-1, 0, 1} {
		code := mustCode(t, rfcSecret(), current+offset)
		last, err := Match(rfcSecret(), code, at(current), Never)
		if err != nil {
			t.Fatal(err)
		}
		for later := int64(0); later <= 1; later++ {
			step, err := Match(rfcSecret(), code, at(current+later), last)
			if err == nil {
				t.Errorf("code of T%+d again, %d steps later: accepted as %d", offset, later, step)
			}
		}
		if _, err := Match(rfcSecret(), code, at(current), last); !errors.Is(err, ErrReplayed) {
			t.Errorf("code of T%+d again = %v, want ErrReplayed", offset, err)
		}
	}
}

func TestAttack02EarlierUnusedCodeAfterALaterOne(t *testing.T) {
	const current = 5000
	last, err := Match(rfcSecret(), mustCode(t, rfcSecret(), current), at(current), Never)
	if err != nil {
		t.Fatal(err)
	}
	earlier := mustCode(t, rfcSecret(), current-1)
	if _, err := Match(rfcSecret(), earlier, at(current), last); !errors.Is(err, ErrReplayed) {
		t.Errorf("unused code of T-1 = %v, want ErrReplayed", err)
	}
	if step, err := Match(rfcSecret(), mustCode(t, rfcSecret(), current+1), at(current), last); step != current+1 || err != nil {
		t.Errorf("code of T+1 = %d, %v", step, err)
	}
}

func TestAttack03MalformedCodes(t *testing.T) {
	const current = 5000
	code := mustCode(t, rfcSecret(), current)
	arabic := strings.Map(func(r rune) rune { return r - '0' + '٠' }, code)
	wide := strings.Map(func(r rune) rune { return r - '0' + '０' }, code)
	for name, text := range map[string]string{
		"empty": "", "space before": " " + code, "space after": code + " ", "line break": code + "\n",
		"carriage return": code + "\r\n", "tab": "\t" + code, "NUL": code + "\x00", "full width": wide, "Arabic": arabic,
		"five": code[:5], "seven": code + "0", "seven before": "0" + code, "space within": code[:3] + " " + code[3:],
		"dash": code[:3] + "-" + code[3:], "sign": "+" + code[1:], "space for a digit": " " + code[1:],
		"break for a digit": code[:5] + "\n", "six bytes, two digits": "３３", "invalid UTF-8": code[:5] + "\xff", "1 MB": strings.Repeat("1", 1<<20),
	} {
		if _, err := Match(rfcSecret(), text, at(current), Never); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v, want ErrMalformed", name, err)
		}
	}
	if _, err := Match(rfcSecret(), code, at(current), Never); err != nil {
		t.Errorf("the code itself: %v", err)
	}
}

func TestAttack05EnrolmentCodeSignsInAgain(t *testing.T) {
	const current = 5000
	code := mustCode(t, rfcSecret(), current)
	confirmed, err := Match(rfcSecret(), code, at(current), Never)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Match(rfcSecret(), code, at(current+1), confirmed); !errors.Is(err, ErrReplayed) {
		t.Errorf("the enrolment's code = %v, want ErrReplayed", err)
	}
}

func TestZeroSecretMatchesNothing(t *testing.T) {
	if _, err := Match(Secret{}, "328482", at(1), Never); !errors.Is(err, ErrSecret) {
		t.Errorf("Match = %v, want ErrSecret", err)
	}
	if _, err := Code(Secret{}, at(1)); !errors.Is(err, ErrSecret) {
		t.Errorf("Code = %v, want ErrSecret", err)
	}
}

func TestAttack01CodeSharedByTwoSteps(t *testing.T) {
	// Found by search: the first neighbours, and next but ones, to share a code.
	for _, first := range []int64{910737, 153567} {
		code, now, second := mustCode(t, rfcSecret(), first), at(first+1), first+1
		if code != mustCode(t, rfcSecret(), second) {
			second = first + 2
		}
		if code != mustCode(t, rfcSecret(), second) {
			t.Fatalf("step %d shares no code", first)
		}
		step, err := Match(rfcSecret(), code, now, Never)
		if step != second || err != nil {
			t.Errorf("both fresh: %d, %v, want the later, %d", step, err, second)
		}
		for last, want := range map[int64]error{first - 1: nil, first: ErrReplayed, second: ErrReplayed} {
			if _, err := Match(rfcSecret(), code, now, last); !errors.Is(err, want) {
				t.Errorf("last step %+d: %v, want %v", last-first, err, want)
			}
		}
		for later := int64(1); later <= 3; later++ {
			if _, err := Match(rfcSecret(), code, at(first+later), step); err == nil {
				t.Errorf("the shared code was accepted again at step %+d", later)
			}
		}
	}
}

// Match against what it promises, judged by a naive model.
func TestMatchAcceptsOnlyFreshNeighbours(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret, err := NewSecret(rand.NewChaCha8([32]byte(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "seed"))))
		if err != nil {
			t.Fatal(err)
		}
		current := rapid.Int64Range(10, 1<<40).Draw(t, "current")
		last := current + rapid.Int64Range(-4, 4).Draw(t, "last")
		code := mustCode(t, secret, current+rapid.Int64Range(-4, 4).Draw(t, "offset"))
		now := time.Unix(current*30+rapid.Int64Range(0, 29).Draw(t, "second"), 0)
		var neighbours []int64
		for step := current - 1; step <= current+1; step++ {
			if mustCode(t, secret, step) == code {
				neighbours = append(neighbours, step)
			}
		}
		step, err := Match(secret, code, now, last)
		switch {
		case len(neighbours) == 0:
			if !errors.Is(err, ErrWrong) {
				t.Fatalf("no neighbour's code = %d, %v", step, err)
			}
		case slices.Min(neighbours) <= last:
			if !errors.Is(err, ErrReplayed) {
				t.Fatalf("spent code = %d, %v", step, err)
			}
		case err != nil || step != slices.Max(neighbours):
			t.Fatalf("fresh code = %d, %v, want of %v", step, err, neighbours)
		}
	})
}

func FuzzMatch(f *testing.F) {
	f.Add("287082", int64(59), int64(-1))
	f.Add(" 87082", int64(59), int64(1))
	f.Add("１２３", int64(-5), int64(math.MaxInt64))
	f.Add("123456\n", int64(math.MaxInt64), int64(math.MinInt64))
	f.Fuzz(func(t *testing.T, code string, unix, last int64) {
		now := time.Unix(unix, 0)
		step, err := Match(rfcSecret(), code, now, last)
		if err != nil {
			if step != 0 || !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrWrong) && !errors.Is(err, ErrReplayed) {
				t.Errorf("Match = %d, %v", step, err)
			}
			return
		}
		if step <= last || step < 0 || step < Step(now)-1 || step > Step(now)+1 || len(code) != 6 {
			t.Errorf("Match(%q, %d, last %d) = %d", code, unix, last, step)
		}
	})
}
