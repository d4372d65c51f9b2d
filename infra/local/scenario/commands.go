package scenario

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"portcullis.example/shared/mfa/totp"
)

// commands are all there are.
func commands() map[string]command {
	all := asking()
	for _, more := range []map[string]command{answers(), short(), atTheGate(), passkeys()} {
		maps.Copy(all, more)
	}
	return all
}

func asking() map[string]command {
	return map[string]command{
		// Who and where: as NAME|nobody, from ADDRESS, clock +16m, tick.
		"as":    {1, 1, (*run).as},
		"from":  {1, 1, func(r *run, a []string) error { r.from = a[0]; return nil }},
		"clock": {1, 1, (*run).clock},
		"tick":  {0, 0, func(r *run, _ []string) error { return r.world.Tick() }},

		// Requests: get PATH, post PATH [JSON]; post-text PATH TEXT and upload PATH
		// CSV, where \n ends a line. with NAME: VALUE adds a header to the next one.
		"with":   {2, 2, (*run).with},
		"get":    verb(http.MethodGet),
		"post":   verb(http.MethodPost),
		"patch":  verb(http.MethodPatch),
		"delete": verb(http.MethodDelete),
		"put":    verb(http.MethodPut),
		"post-text": {2, 2, func(r *run, a []string) error {
			r.next.Set("Content-Type", "text/plain")
			return r.send(http.MethodPost, a[0], strings.ReplaceAll(a[1], `\n`, "\n"))
		}},
		"upload": {2, 2, (*run).upload},
	}
}

func answers() map[string]command {
	return map[string]command{
		// What must have been answered: status 200; problem 403 forbidden (all of
		// RFC 9457's members); json PATH VALUE; no PATH; count PATH N; header NAME
		// VALUE; header-has NAME TEXT; no-header NAME; has TEXT; lacks TEXT; empty.
		"status":     {1, 1, (*run).status},
		"problem":    {2, 2, (*run).problem},
		"json":       {2, 2, (*run).json},
		"no":         {1, 1, (*run).no},
		"count":      {2, 2, (*run).count},
		"header":     {2, 2, (*run).header},
		"header-has": {2, 2, (*run).headerHas},
		"no-header":  {1, 1, (*run).noHeader},
		"has":        {1, 1, (*run).has},
		"lacks":      {1, 1, (*run).lacks},
		"empty":      {0, 0, (*run).empty},

		// Variables: set NAME PATH-IN-THE-JSON; set-header NAME HEADER; let NAME
		// TEXT; same A B; repeat NAME TIMES TEXT; mail NAME ADDRESS (the token in
		// the newest letter's link); mail-code NAME ADDRESS (the enrolment code in it); mailed ADDRESS TEXT (the newest letter has it);
		// code NAME USER (the present TOTP).
		"set":        {2, 2, (*run).set},
		"set-header": {2, 2, func(r *run, a []string) error { r.vars[a[0]] = r.answer.header.Get(a[1]); return nil }},
		"let":        {2, 2, func(r *run, a []string) error { r.vars[a[0]] = a[1]; return nil }},
		"same":       {2, 2, (*run).same},
		"repeat":     {3, 3, (*run).repeat},
		"mail":       {2, 2, (*run).mail},
		"mail-code":  {2, 2, (*run).mailCode},
		"mailed":     {2, 2, (*run).mailed},
		"code":       {2, 2, (*run).code},
	}
}

func short() map[string]command {
	return map[string]command{
		// Short for several requests: operator USER ADDRESS; partner NAME ADDRESS; role PARTNER ID JSON;
		// invite PARTNER ADDRESS [ROLE…]; join USER ADDRESS (accepts, enrols);
		// sign-in USER ADDRESS; step-up; register SYSTEM HOST [POLICY].
		"operator": {2, 2, func(r *run, a []string) error {
			if err := r.world.Operator(a[1]); err != nil {
				return err
			}
			return r.join(a)
		}},
		"partner":  {2, 2, func(r *run, a []string) error { return r.world.Partner(a[0], a[1]) }},
		"role":     {3, 3, func(r *run, a []string) error { return r.world.Role(a[0], a[1], json.RawMessage(a[2])) }},
		"invite":   {2, 3, (*run).invite},
		"join":     {2, 2, (*run).join},
		"sign-in":  {2, 2, (*run).signIn},
		"step-up":  {0, 0, (*run).stepUp},
		"register": {2, 3, (*run).register},
		"audited":  {2, 2, (*run).audited},
	}
}

func atTheGate() map[string]command {
	return map[string]command{
		// The gate: gate SYSTEM; browser NAME; client ADDRESS; decide METHOD PATH;
		// decided REASON; pass TICKET; show-pass TICKET; notice.
		"gate":    {1, 1, (*run).chooseGate},
		"browser": {1, 1, func(r *run, a []string) error { r.browser = a[0]; return nil }},
		"client":  {1, 1, func(r *run, a []string) error { r.client = a[0]; return nil }},
		"decide":  {2, 2, (*run).decide},
		"decided": {1, 1, (*run).decided},
		"pass":    {1, 1, (*run).pass},
		"show-pass": {1, 1, func(r *run, a []string) error {
			return r.asGate(http.MethodGet, "/v1/gate/pass?ticket="+a[0], "", http.Header{})
		}},
		"notice": {0, 0, func(r *run, _ []string) error { return r.asGate(http.MethodGet, "/v1/gate/notice", "", http.Header{}) }},
	}
}

func verb(method string) command {
	return command{1, 2, func(r *run, args []string) error {
		return r.send(method, args[0], strings.Join(args[1:], ""))
	}}
}

func (r *run) upload(args []string) error {
	if len(r.next.Values("Content-Type")) == 0 {
		r.next.Set("Content-Type", "text/csv")
	}
	return r.send(http.MethodPost, args[0], strings.ReplaceAll(args[1], `\n`, "\n"))
}

func (r *run) as(args []string) error {
	if _, ok := r.vars[args[0]+".token"]; !ok && args[0] != nobody {
		return fmt.Errorf("%w: %s has not signed in", ErrScript, args[0])
	}
	r.actor = args[0]
	return nil
}

func (r *run) clock(args []string) error {
	d, err := time.ParseDuration(args[0])
	if err != nil || d <= 0 {
		return fmt.Errorf("%w: not a time to go on by, such as +16m", ErrScript)
	}
	return r.world.Advance(d)
}

func (r *run) with(args []string) error {
	name, colon := strings.CutSuffix(args[0], ":")
	if !colon {
		return fmt.Errorf("%w: with NAME: VALUE", ErrScript)
	}
	r.next.Add(name, args[1])
	return nil
}

func (r *run) status(args []string) error {
	if strconv.Itoa(r.answer.status) != args[0] {
		return r.answer.failed("want %s", args[0])
	}
	return nil
}

func (r *run) problem(args []string) error {
	if err := r.status(args[:1]); err != nil {
		return err
	}
	if kind := r.answer.header.Get("Content-Type"); kind != "application/problem+json" {
		return r.answer.failed("this is no problem but %q", kind)
	}
	for _, member := range []string{"type", "title", "detail", "instance"} {
		if text, err := r.answer.text(member); err != nil || text == "" {
			return r.answer.failed("the problem has no %s", member)
		}
	}
	if err := r.json([]string{"status", args[0]}); err != nil {
		return err
	}
	return r.json([]string{"code", args[1]})
}

func (r *run) json(args []string) error {
	text, err := r.answer.text(args[0])
	if err == nil && text != args[1] {
		err = r.answer.failed("%s is %s", args[0], text)
	}
	return err
}

func (r *run) no(args []string) error {
	if _, ok := r.answer.at(args[0]); ok {
		return r.answer.failed("there is a %s", args[0])
	}
	return nil
}

func (r *run) count(args []string) error {
	value, _ := r.answer.at(args[0])
	list, ok := value.([]any)
	if !ok || strconv.Itoa(len(list)) != args[1] {
		return r.answer.failed("%s has %d items", args[0], len(list))
	}
	return nil
}

func (r *run) header(args []string) error {
	if got := r.answer.header.Values(args[0]); !slices.Equal(got, []string{args[1]}) {
		return r.answer.failed("the header is %q", got)
	}
	return nil
}

func (r *run) headerHas(args []string) error {
	if got := r.answer.header.Values(args[0]); !strings.Contains(strings.Join(got, "\n"), args[1]) {
		return r.answer.failed("the header is %q", got)
	}
	return nil
}

func (r *run) noHeader(args []string) error {
	if got := r.answer.header.Values(args[0]); len(got) > 0 {
		return r.answer.failed("the header is %q", got)
	}
	return nil
}

func (r *run) has(args []string) error {
	if !strings.Contains(r.answer.body, args[0]) {
		return r.answer.failed("this is not in it")
	}
	return nil
}

func (r *run) lacks(args []string) error {
	if strings.Contains(r.answer.body, args[0]) {
		return r.answer.failed("this is in it")
	}
	return nil
}

func (r *run) empty([]string) error {
	if r.answer.body != "" {
		return r.answer.failed("there is a body")
	}
	return nil
}

func (r *run) set(args []string) error {
	text, err := r.answer.text(args[1])
	r.vars[args[0]] = text
	return err
}

func (r *run) same(args []string) error {
	if args[0] != args[1] {
		return fmt.Errorf("%q and %q differ", args[0], args[1])
	}
	return nil
}

func (r *run) repeat(args []string) error {
	n, err := strconv.Atoi(args[1])
	if err != nil || n < 0 {
		return fmt.Errorf("%w: repeat NAME TIMES TEXT", ErrScript)
	}
	r.vars[args[0]] = strings.Repeat(args[2], n)
	return nil
}

// letter is the newest one to an address.
func (r *run) letter(to string) (string, error) {
	if err := r.world.Tick(); err != nil {
		return "", err
	}
	return r.world.Mail(to)
}

func (r *run) mailed(args []string) error {
	text, err := r.letter(args[0])
	if err == nil && !strings.Contains(text, args[1]) {
		err = fmt.Errorf("the newest letter has no such text: %s", text)
	}
	return err
}

func (r *run) mail(args []string) error {
	text, err := r.letter(args[1])
	if err != nil {
		return err
	}
	_, token, found := strings.Cut(text, "token=")
	if !found {
		return fmt.Errorf("the newest letter carries no token: %s", text)
	}
	r.vars[args[0]] = strings.Fields(token)[0]
	return nil
}

func (r *run) mailCode(args []string) error {
	text, err := r.letter(args[1])
	if err != nil {
		return err
	}
	for _, line := range strings.Split(text, "\n") {
		if word := strings.TrimSpace(line); strings.Count(word, "-") == 6 && !strings.Contains(word, " ") {
			r.vars[args[0]] = word
			return nil
		}
	}
	return fmt.Errorf("the newest letter has no code: %s", text)
}

func (r *run) code(args []string) error {
	secret, err := totp.ParseSecret(r.vars[args[1]+".secret"])
	if err != nil {
		return fmt.Errorf("%w: %s.secret: %w", ErrScript, args[1], err)
	}
	r.vars[args[0]], err = totp.Code(secret, r.world.Now())
	return err
}

func (r *run) chooseGate(args []string) error {
	if r.vars[args[0]+".key"] == "" || r.vars[args[0]+".host"] == "" {
		return fmt.Errorf("%w: there is no phone system %s", ErrScript, args[0])
	}
	r.gate = args[0]
	return nil
}

func (r *run) decide(args []string) error {
	h := http.Header{}
	h.Set("Portcullis-Method", args[0])
	h.Set("Portcullis-Url", "https://"+r.vars[r.gate+".host"]+args[1])
	return r.asGate(http.MethodGet, "/v1/gate/decision", "", h)
}

// decided holds an answer of the gate to the whole of its form.
func (r *run) decided(args []string) error {
	status, decision := "403", "deny"
	if args[0] == "open_window" || args[0] == "unrestricted" {
		status, decision = "204", "allow"
	}
	for name, want := range map[string]string{"Portcullis-Decision": decision, "Portcullis-Reason": args[0]} {
		if err := r.header([]string{name, want}); err != nil {
			return err
		}
	}
	for _, name := range []string{"Remote-User", "Remote-Email"} {
		if len(r.answer.header.Values(name)) != 1 {
			return r.answer.failed("%s is not there exactly once", name)
		}
	}
	return r.status([]string{status})
}

// pass spends a ticket as a page of the portal has the browser do, and keeps
// the cookie.
func (r *run) pass(args []string) error {
	h := http.Header{"Origin": {r.world.BaseURL()}}
	if err := r.asGate(http.MethodPost, "/v1/gate/pass", url.Values{"ticket": {args[0]}}.Encode(), h); err != nil {
		return err
	}
	if cookie, _, _ := strings.Cut(r.answer.header.Get("Set-Cookie"), ";"); cookie != "" {
		r.passes[r.browser] = cookie
	}
	return nil
}
