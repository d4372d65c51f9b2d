package gate

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"portcullis.example/shared/phonesystem/profile"
)

// Environment variables of the comparison: how many inputs, and which.
const (
	compareInputs = "PORTCULLIS_COMPARE"
	compareSeed   = "PORTCULLIS_COMPARE_SEED"
)

func fromEnvironment(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(cmp.Or(os.Getenv(name), fmt.Sprint(otherwise)), 10, 64)
	if err != nil {
		t.Fatal(name, err)
	}
	return n
}

// judge is a classifier.
type judge func(method, path string) profile.Verdict

// tally is what a comparison found.
type tally struct {
	mu sync.Mutex
	// inputs, of these unrestricted by judgement, passed on by the proxy, and
	// files that origins took the unrestricted ones for.
	inputs, unrestricted, passed, resolved int
	// odd are unrestricted inputs in whose target anything is encoded or beyond
	// ASCII letters: those where programs could disagree.
	odd      int
	findings []string
}

func (c *tally) find(format string, values ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.findings = append(c.findings, fmt.Sprintf(format, values...))
}

// comparison compares what one classifier says of inputs with what a proxy
// passes on and with what origins make of it.
type comparison struct {
	*tally
	territory
	judge   judge
	proxy   *pipeline // nil: everything that is judged unrestricted is passed on
	origins []origin
	asked   []*pipeline
}

func (c *comparison) close() {
	for _, p := range append(slices.Clone(c.asked), c.proxy) {
		if p != nil {
			p.close()
		}
	}
}

// batch compares some inputs.
func (c *comparison) batch(inputs []input) error {
	passed := make([]bool, len(inputs))
	if c.proxy != nil {
		replies, err := c.proxy.ask(inputs)
		if err != nil {
			return err
		}
		for i, r := range replies {
			passed[i] = r.header.Get("Seen") != ""
			c.passedOn(inputs[i], r.header.Get("Seen"))
		}
	}
	var open []input
	var odd, through int
	for i, in := range inputs {
		unrestricted := c.judge(in.method, in.path()).Class == profile.Unrestricted
		if passed[i] {
			through++
		}
		if unrestricted || passed[i] {
			open = append(open, in)
			if strings.ContainsFunc(in.target, func(r rune) bool {
				return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_", r)
			}) {
				odd++
			}
		}
	}
	c.mu.Lock()
	c.inputs, c.unrestricted, c.passed, c.odd = c.inputs+len(inputs), c.unrestricted+len(open), c.passed+through, c.odd+odd
	c.mu.Unlock()
	return c.resolve(open)
}

// passedOn holds what reached the phone system against what was judged: to the
// letter, or not at all.
func (c *comparison) passedOn(in input, seen string) {
	target, err := hex.DecodeString(seen)
	if seen == "" {
		return
	}
	if v := c.judge(in.method, in.path()); err != nil || string(target) != in.target || v.Class != profile.Unrestricted {
		c.find("%s: %v, %s reached the phone system as %q", c.profile, in, v.Rule, target)
	}
}

// resolve asks the origins what they take inputs for.
func (c *comparison) resolve(open []input) error {
	for i, o := range c.origins {
		replies, err := c.asked[i].ask(open)
		if err != nil {
			return err
		}
		n := 0
		for j, r := range replies {
			files := o.files(o.root, r)
			n += len(files)
			c.origin(o, open[j], r, files)
		}
		c.mu.Lock()
		c.resolved += n
		c.mu.Unlock()
	}
	return nil
}

// origin holds what an origin made of an input against the judgement.
func (c *comparison) origin(o origin, in input, r reply, files []string) {
	v := c.judge(in.method, in.path())
	if file, secret := strings.CutPrefix(r.body, secret); secret && c.console(file) {
		c.find("%s: %v, %s, is a file of the console to %s", c.profile, in, v.Rule, o.name)
	}
	for _, file := range files {
		if c.console(file) || file != v.Path {
			c.find("%s: %v, %s, judged as %q, is %q to %s", c.profile, in, v.Rule, v.Path, file, o.name)
		}
	}
}

// compare runs inputs of one seed through comparisons side by side.
func compare(t *testing.T, seed uint64, inputs int, l territory, start func(*tally) *comparison) *tally {
	t.Helper()
	found := &tally{}
	h := newHostile(l, seed)
	batches := make(chan []input, 4)
	go func() {
		defer close(batches)
		for left := inputs; left > 0; left -= 512 {
			batch := make([]input, min(left, 512))
			for i := range batch {
				batch[i] = h.next()
			}
			batches <- batch
		}
	}()
	var wg sync.WaitGroup
	for range 4 {
		c := start(found)
		wg.Go(func() {
			defer c.close()
			for batch := range batches {
				if err := c.batch(batch); err != nil {
					c.find("%v", err)
				}
			}
		})
	}
	wg.Wait()
	return found
}

// plain asks a server of this machine without TLS.
func plain(host, port string) *pipeline {
	return &pipeline{host: host, dial: func() (net.Conn, error) { return net.Dial("tcp", "127.0.0.1:"+port) }}
}

func (c *comparison) beside(origins []origin) *comparison {
	for _, o := range origins {
		asked := plain("origin", o.port)
		asked.disorderly = o.disorderly
		c.origins, c.asked = append(c.origins, o), append(c.asked, asked)
	}
	return c
}

// compared is a scene for a comparison: no limit of requests, a notice that
// costs nothing, and a phone system that says what reached it.
func compared(t *testing.T, l territory) *scene {
	return newScene(t, "nginx", setting{
		host: "pbx.localhost", profile: l.profile, added: l.added, edit: without("limit_req zone"), upstream: "http://" + startRecorder(t),
		answer: func(portcullis http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/v1/gate/decision" {
					portcullis.ServeHTTP(w, r)
				}
			})
		},
	})
}

// No input reaches the phone system but those that are unrestricted, as they
// were judged and to the letter; and nginx, Apache and Node take none of them
// for another path than the one that was judged, let alone for the console's.
func TestAttack26JudgedPassedOnAndResolvedAreOnePath(t *testing.T) {
	inputs, seed := fromEnvironment(t, compareInputs, 4000), fromEnvironment(t, compareSeed, 1)
	origins := startOrigins(t)
	all := territories()
	for _, l := range all {
		t.Run(l.profile, func(t *testing.T) {
			matcher, err := profile.Compile(l.profile, l.added)
			if err != nil {
				t.Fatal(err)
			}
			s := compared(t, l)
			found := compare(t, seed, int(inputs)/len(all), l, func(found *tally) *comparison {
				_, port, _ := strings.Cut(s.gate.Host, ":")
				return (&comparison{tally: found, territory: l, judge: matcher.Judge, proxy: plain(s.gate.Host, port)}).beside(origins)
			})
			t.Logf("%d inputs, %d unrestricted (%d of them with odd signs), %d passed on, %d files resolved", found.inputs, found.unrestricted, found.odd, found.passed, found.resolved)
			report(t, found)
			if found.unrestricted*20 < found.inputs || found.odd*50 < found.inputs || found.passed*10 < found.unrestricted*9 || found.resolved < 3*found.unrestricted {
				t.Error("too little of this means anything")
			}
		})
	}
}

func report(t *testing.T, found *tally) {
	t.Helper()
	for _, finding := range found.findings[:min(10, len(found.findings))] {
		t.Error(finding)
	}
	if more := len(found.findings) - 10; more > 0 {
		t.Errorf("and %d more", more)
	}
}

// The comparison notices classifiers as others wrote them.
func TestComparisonBites(t *testing.T) {
	origins := startOrigins(t)
	l := territories()[0]
	matcher, err := profile.Compile(l.profile, l.added)
	if err != nil {
		t.Fatal(err)
	}
	served := 0
	for what, broken := range map[string]judge{
		"by the beginning": func(_, path string) profile.Verdict {
			if strings.HasPrefix(path, "/webclient/") || strings.HasPrefix(path, "/xapi/v1/MyUser") {
				return profile.Verdict{Class: profile.Unrestricted, Rule: "broken", Path: path}
			}
			return profile.Verdict{}
		},
		"dots overlooked": func(method, path string) profile.Verdict {
			v := matcher.Judge(method, path)
			if strings.Contains(v.Rule, "segment of dots") && strings.HasPrefix(path, "/webclient/") {
				v.Class = profile.Unrestricted
			}
			return v
		},
		"escapes left alone": func(method, path string) profile.Verdict {
			return matcher.Judge(method, strings.ReplaceAll(path, "%", "_"))
		},
	} {
		found := compare(t, 1, 4000, l, func(found *tally) *comparison {
			return (&comparison{tally: found, territory: l, judge: broken}).beside(origins)
		})
		if len(found.findings) == 0 {
			t.Errorf("%s: nothing found", what)
		}
		for _, finding := range found.findings {
			if strings.Contains(finding, "is a file of the console") {
				served++
			}
		}
	}
	if served == 0 {
		t.Error("no file of the console was served")
	}
}
