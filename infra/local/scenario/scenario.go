// Package scenario runs the contract as a reader would try it: scripts of
// requests and of what must be answered, in the manner of rsc.io/script. It
// guarantees that a line that does not hold, is unknown or is malformed ends the
// run with an error that names the file and the line. It knows only the World
// that it is given, so that the same scripts run on a mux, through Lambda events
// or against a server.
//
// A script is one command a line; # begins a comment. $name or ${name}, in any
// place, is a variable; $now is the time and $portal the control portal. The
// commands are listed in commands.go.
package scenario

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"time"

	"portcullis.example/infra/local/authenticator"
)

// World is the Portcullis that a script runs against.
type World interface {
	// BaseURL is the control portal's.
	BaseURL() string
	// Do answers one request; RemoteAddr is where it comes from. Redirects are
	// answers.
	Do(r *http.Request) (*http.Response, error)
	// Now is the time there; Advance moves it on.
	Now() time.Time
	Advance(d time.Duration) error
	// Tick does what is scheduled: the auditor, the courier, the reaper.
	Tick() error
	// Mail is the text of the newest letter to an address.
	Mail(to string) (string, error)

	// Operator invites the first operator, as whoever installs it does.
	Operator(email string) error
	// What has no call yet, or takes an operator: a partner with its first
	// administrator, a user with roles, and a role of a partner, as JSON. Partners
	// go by their names.
	Partner(name, administrator string) error
	Invite(partner, email string, roles []string) error
	Role(partner, id string, role json.RawMessage) error
}

// ErrScript is what every error of a script itself is: an unknown command, a
// missing argument or variable.
var ErrScript = errors.New("scenario")

// Run runs a script to its end or to the first line that does not hold.
func Run(w World, file, script string) error {
	r := &run{world: w, vars: map[string]string{"portal": w.BaseURL()}, passes: map[string]string{}, keys: map[string]*authenticator.Key{}, actor: nobody, gate: nobody,
		from: "192.0.2.1", client: "198.51.100.7", next: http.Header{}}
	known := commands()
	for i, line := range strings.Split(script, "\n") {
		if err := r.line(known, strings.TrimSpace(line)); err != nil {
			return fmt.Errorf("%s:%d: %s: %w", file, i+1, strings.TrimSpace(line), err)
		}
	}
	return nil
}

// nobody is who has no session, no phone system or no browser.
const nobody = "nobody"

// run is the state of a script.
type run struct {
	world  World
	vars   map[string]string
	passes map[string]string             // cookies on the phone systems' hosts, by browser
	keys   map[string]*authenticator.Key // passkeys, by the names that the script gives them

	actor, gate, browser string
	from, client         string      // addresses
	next                 http.Header // of the next request alone
	answer               answer
}

// answer is what the last request was answered.
type answer struct {
	status int
	header http.Header
	body   string
	json   any
}

// command is one word of the language: it takes least to most arguments, the
// last of which has the rest of the line.
type command struct {
	least, most int
	do          func(r *run, args []string) error
}

func (r *run) line(known map[string]command, line string) error {
	if line == "" || strings.HasPrefix(line, "#") {
		return nil
	}
	name, rest, _ := strings.Cut(line, " ")
	c, ok := known[name]
	if !ok {
		return fmt.Errorf("%w: there is no command %q", ErrScript, name)
	}
	rest, err := r.expand(rest)
	if err != nil {
		return err
	}
	args := words(rest, c.most)
	if len(args) < c.least || c.most == 0 && len(args) > 0 {
		return fmt.Errorf("%w: %s takes %d to %d arguments", ErrScript, name, c.least, c.most)
	}
	return c.do(r, args)
}

// words splits at spaces into at most n words; the last has the rest.
func words(text string, n int) []string {
	var found []string
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		if len(found) == n-1 || n == 0 {
			return append(found, text)
		}
		word, rest, _ := strings.Cut(text, " ")
		found, text = append(found, word), rest
	}
	return found
}

var variable = regexp.MustCompile(`\$(?:[a-z_]+(?:\.[a-z_]+)?|\{[a-z_.]+\})`)

func (r *run) expand(text string) (string, error) {
	var err error
	text = variable.ReplaceAllStringFunc(text, func(name string) string {
		value, ok := r.vars[strings.Trim(name, "${}")]
		if name == "$now" {
			value, ok = r.world.Now().UTC().Format(time.RFC3339), true
		}
		if !ok {
			err = fmt.Errorf("%w: %s is not set", ErrScript, name)
		}
		return value
	})
	return text, err
}

// send sends a request in the actor's session.
func (r *run) send(method, path, body string) error {
	h := http.Header{}
	if body != "" {
		h.Set("Content-Type", "application/json")
	}
	if token := r.vars[r.actor+".token"]; token != "" {
		h.Set("Authorization", "Bearer "+token)
	}
	return r.ask(method, path, body, h)
}

// ask sends a request and keeps the answer. What `with` said wins.
func (r *run) ask(method, path, body string, h http.Header) error {
	for name, values := range r.next {
		h[name] = values
	}
	r.next = http.Header{}
	if _, err := url.ParseRequestURI(path); err != nil {
		return fmt.Errorf("%w: %w", ErrScript, err)
	}
	req, err := http.NewRequest(method, r.world.BaseURL()+path, strings.NewReader(body))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrScript, err)
	}
	from, err := netip.ParseAddr(r.from)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrScript, err)
	}
	req.Header, req.RemoteAddr = h, netip.AddrPortFrom(from, 40000).String()
	res, err := r.world.Do(req)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(res.Body)
	r.answer = answer{status: res.StatusCode, header: res.Header, body: string(text)}
	if kind := res.Header.Get("Content-Type"); strings.Contains(kind, "json") && !strings.Contains(kind, "ndjson") {
		err = errors.Join(err, json.Unmarshal(text, &r.answer.json))
	}
	return errors.Join(err, res.Body.Close())
}

// asGate sends a request as the gate of the chosen phone system.
func (r *run) asGate(method, path, form string, h http.Header) error {
	h.Set("Authorization", "Bearer "+r.vars[r.gate+".key"])
	h.Set("Portcullis-Client", r.client)
	if pass := r.passes[r.browser]; pass != "" {
		h.Set("Cookie", pass)
	}
	if form != "" {
		h.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return r.ask(method, path, form, h)
}

// failed says what came instead of what was wanted.
func (a answer) failed(format string, values ...any) error {
	body := a.body
	if len(body) > 600 {
		body = body[:600] + "…"
	}
	return fmt.Errorf("%s; the answer was %d %s", fmt.Sprintf(format, values...), a.status, strings.TrimSpace(body))
}

// at finds the value at a path such as "items.0.id"; ok is false for none.
func (a answer) at(path string) (value any, ok bool) {
	value = a.json
	for step := range strings.SplitSeq(path, ".") {
		switch v := value.(type) {
		case map[string]any:
			value, ok = v[step]
		case []any:
			var i int
			_, err := fmt.Sscanf(step, "%d", &i)
			if ok = err == nil && i >= 0 && i < len(v); ok {
				value = v[i]
			}
		default:
			ok = false
		}
		if !ok {
			return nil, false
		}
	}
	return value, true
}

// text is a value as a script writes it: a text as it is, anything else as JSON.
func (a answer) text(path string) (string, error) {
	value, ok := a.at(path)
	if !ok {
		return "", a.failed("there is no %s", path)
	}
	if text, ok := value.(string); ok {
		return text, nil
	}
	raw, err := json.Marshal(value)
	return string(raw), err
}
