package session_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/account"
	"portcullis.example/shared/attempt"
	"portcullis.example/shared/table/tabletest"
)

// told is all that an answer tells, less what names the one request.
func told(a localtest.Answer) string {
	text := strings.ReplaceAll(a.Body, a.Text("instance"), "")
	for _, name := range []string{"Content-Type", "Retry-After", "Set-Cookie", "Cache-Control", "Portcullis-Device", "Www-Authenticate"} {
		text += "\n" + name + ": " + strings.Join(a.Header[name], ",")
	}
	return text
}

// work is what an answer cost.
type work struct {
	calls  tabletest.Counts
	hashes int
}

func (s *scene) watch(req localtest.Request) (localtest.Answer, work) {
	s.calls.Reset()
	before := s.Hashes.Count()
	a := s.Send(req)
	w := work{s.calls.Reset(), s.Hashes.Count() - before}
	w.calls.ReadUnits = 0 // by the size of what stands there, a matter of bytes
	return a, w
}

func TestAttack16NobodyIsToldApart(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		gone := s.User(s.alice, "gone@acme.example")
		s.change(gone, func(u *account.User) { u.Active = false })
		if _, err := s.Directory.Invite(context.Background(), s.alice.Caller(), account.Person{Email: "invited@acme.example"}); err != nil {
			t.Fatal(err)
		}
		cases := []struct{ name, email, password string }{
			{"wrong password", s.alice.Email, "not the password"},
			{"unknown", "nobody@acme.example", localtest.Password},
			{"inactive, right password", gone.Email, localtest.Password},
			{"inactive, wrong password", "gone@acme.example", "not the password"},
			{"invited, not joined", "invited@acme.example", localtest.Password},
			{"no address at all", "alice", localtest.Password},
			{"rubbish for an address", strings.Repeat("\x01 ", 300), localtest.Password},
		}
		want, cost := s.watch(loginRequest(cases[0].email, cases[0].password))
		if want.Status != http.StatusUnauthorized || cost.hashes != 1 {
			t.Fatalf("%d with %d hashes", want.Status, cost.hashes)
		}
		for _, c := range cases[1:] {
			got, spent := s.watch(loginRequest(c.email, c.password))
			if got.Status != want.Status || told(got) != told(want) {
				t.Errorf("%s: %d %s\nwant %d %s", c.name, got.Status, told(got), want.Status, told(want))
			}
			if spent != cost {
				t.Errorf("%s costs %+v, want %+v", c.name, spent, cost)
			}
		}
		for range attempt.Limit {
			for _, c := range cases {
				s.Send(loginRequest(c.email, "not the password"))
			}
		}
		want, cost = s.watch(loginRequest(cases[0].email, cases[0].password))
		for _, c := range cases[1:] {
			got, spent := s.watch(loginRequest(c.email, c.password))
			if got.Status != http.StatusTooManyRequests || told(got) != told(want) || spent != cost {
				t.Errorf("%s, locked: %d %s %+v\nwant %s %+v", c.name, got.Status, told(got), spent, told(want), cost)
			}
		}
	})
}

// An administrator learns nothing by inviting.
func TestAttack44InvitingTellsNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		other := s.Administrator("other", "carol@other.example")
		invite := func(email string) (account.Invited, tabletest.Counts) {
			s.calls.Reset()
			invited, err := s.Directory.Invite(context.Background(), s.alice.Caller(), account.Person{Email: email})
			if err != nil {
				t.Fatalf("inviting %s: %v", email, err)
			}
			counts := s.calls.Reset()
			counts.ReadUnits = 0
			return invited, counts
		}
		fresh, cost := invite("dave@acme.example")
		taken, spent := invite(other.Email)
		if spent != cost {
			t.Errorf("an address in use costs %+v, a new one %+v", spent, cost)
		}
		fresh.User.ID, taken.User.ID, taken.User.Email = "", "", fresh.User.Email
		if got, want := taken.User, fresh.User; got.Name != want.Name || got.Active != want.Active || !got.JoinedAt.Equal(want.JoinedAt) {
			t.Errorf("an address in use answers %+v, a new one %+v", got, want)
		}
		s.Tick()
		letters := s.Mail.To(other.Email)
		last := letters[len(letters)-1]
		if strings.Contains(last.Text, "token=") || !strings.Contains(last.Text, "another account") {
			t.Errorf("the owner is not told: %s", last.Text)
		}
		// Even who held the link could not take the address over.
		s.Must(http.StatusConflict, acceptRequest(tokenOf(taken.Link)))
	})
}

// A scanner that opens the link spends nothing, and no server is told the token.
func TestAttack42LinksSpendNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		if _, err := s.Directory.Invite(context.Background(), s.alice.Caller(), account.Person{Email: "bob@acme.example"}); err != nil {
			t.Fatal(err)
		}
		s.Tick()
		letter := s.Mail.To("bob@acme.example")[0]
		at := strings.Index(letter.Text, "http")
		link, err := url.Parse(strings.Fields(letter.Text[at:])[0])
		if err != nil {
			t.Fatal(err)
		}
		token := tokenOf(link.Fragment)
		if token == "" || strings.Contains(link.RequestURI(), token) || !strings.HasPrefix(link.String(), localtest.BaseURL+"/") {
			t.Fatalf("the link %s", link)
		}
		for _, method := range []string{"GET", "HEAD", "GET"} {
			s.Send(localtest.Request{Method: method, Path: link.RequestURI()})
			s.Send(localtest.Request{Method: method, Path: "/v1/invitations/accept?token=" + token})
		}
		s.Must(http.StatusOK, acceptRequest(token))
	})
}

// invitation is the token of bob's, whom alice invites.
func (s *scene) invitation() string {
	s.T.Helper()
	return tokenOf(s.Invite(s.alice, "bob@acme.example").Link)
}

func TestAttack18InvitationUsedAgain(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		t.Run("twice", func(t *testing.T) {
			s := newScene(t)
			token := s.invitation()
			s.Must(http.StatusOK, acceptRequest(token))
			if a := s.Must(http.StatusGone, acceptRequest(token)); a.Text("code") != "gone" {
				t.Errorf("answer %s", a.Body)
			}
		})
		t.Run("in parallel", func(t *testing.T) {
			s := newScene(t)
			token := s.invitation()
			got := s.Together(20, func(int) localtest.Request { return acceptRequest(token) })
			if got[http.StatusOK] != 1 || got[http.StatusGone] != 19 {
				t.Errorf("20 acceptances: %v", got)
			}
		})
		t.Run("two of one address in parallel", func(t *testing.T) {
			s := newScene(t)
			tokens := []string{s.invitation(), tokenOf(s.Invite(s.Administrator("other", "carol@other.example"), "bob@acme.example").Link)}
			got := s.Together(2, func(i int) localtest.Request { return acceptRequest(tokens[i]) })
			if got[http.StatusOK] != 1 || got[http.StatusConflict] != 1 {
				t.Errorf("two acceptances: %v", got)
			}
		})
		t.Run("altered", func(t *testing.T) {
			s := newScene(t)
			token := s.invitation()
			for _, altered := range []string{token[:len(token)-1], token[:len(token)-1] + other(token[len(token)-1]), token + "a", strings.ToUpper(token), "", s.alice.Token} {
				s.Must(http.StatusGone, acceptRequest(altered))
			}
			s.Must(http.StatusOK, acceptRequest(token))
		})
	})
}

// An invitation ends with its time, its user, and the next one.
func TestAttack18InvitationThatIsOver(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		for name, end := range map[string]func(s *scene, id string){
			"late": func(s *scene, _ string) { s.Clock.Add(account.InvitationKept) },
			"deactivated meanwhile": func(s *scene, id string) {
				s.change(&localtest.Person{ID: id}, func(u *account.User) { u.Active = false })
			},
			"deleted meanwhile": func(s *scene, id string) { s.alice.Must(http.StatusNoContent, "DELETE", "/v1/users/"+id, nil) },
			"after a newer one": func(s *scene, id string) { s.alice.Must(http.StatusOK, "POST", "/v1/users/"+id+"/invitation", nil) },
		} {
			t.Run(name, func(t *testing.T) {
				s := newScene(t)
				token := s.invitation()
				end(s, strings.Split(token, "_")[1])
				s.Must(http.StatusGone, acceptRequest(token))
			})
		}
	})
}

// Passwords that break parsers: a clear 422 (413 for what is too large to be
// read at all), or a hash of exactly that password.
func TestAttack19Passwords(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		quoted := func(text string) string {
			return `{"email":"bob@acme.example","token":"TOKEN","password":"` + text + `"}`
		}
		refused := map[string]struct {
			body   string
			status int
		}{
			"1 MB":                {quoted(strings.Repeat("a", 1<<20)), http.StatusRequestEntityTooLarge},
			"60 KB":               {quoted(strings.Repeat("a", 60<<10)), http.StatusUnprocessableEntity},
			"257 characters":      {quoted(strings.Repeat("ab ", 86)[:257]), http.StatusUnprocessableEntity},
			"NUL":                 {quoted(`quiet otter\u0000 paints`), http.StatusUnprocessableEntity},
			"invalid UTF-8":       {quoted("quiet otter \xff paints"), http.StatusUnprocessableEntity},
			"half a character":    {quoted("quiet otter paints \xe2\x82"), http.StatusUnprocessableEntity},
			"encoded surrogate":   {quoted("quiet otter paints \xed\xa0\x80"), http.StatusUnprocessableEntity},
			"lone high surrogate": {quoted(`quiet otter paints \ud83d`), http.StatusUnprocessableEntity},
			"lone low surrogate":  {quoted(`quiet otter paints \ude00`), http.StatusUnprocessableEntity},
			"surrogates reversed": {quoted(`quiet otter paints \ude00\ud83d`), http.StatusUnprocessableEntity},
			"a line break":        {quoted(`quiet otter\npaints lanterns`), http.StatusUnprocessableEntity},
		}
		s := newScene(t)
		for name, c := range refused {
			t.Run(name, func(t *testing.T) {
				s.T = t
				email := strings.ReplaceAll(name, " ", "-") + "@acme.example"
				invited, err := s.Directory.Invite(context.Background(), s.alice.Caller(), account.Person{Email: email})
				if err != nil {
					t.Fatal(err)
				}
				before := s.Hashes.Count()
				login := strings.Replace(c.body, `"token":"TOKEN",`, "", 1)
				accept := strings.Replace(strings.Replace(c.body, "TOKEN", tokenOf(invited.Link), 1), `"email":"bob@acme.example",`, "", 1)
				for path, body := range map[string]string{"/v1/login": login, "/v1/invitations/accept": accept} {
					a := s.Must(c.status, localtest.Request{Method: "POST", Path: path, Body: body})
					if a.Text("code") != "invalid" || strings.Contains(a.Body, "otter") {
						t.Errorf("%s answers %s", path, a.Body)
					}
					if errs, _ := a.JSON["errors"].([]any); c.status == http.StatusUnprocessableEntity && len(errs) == 0 {
						t.Errorf("%s does not say what is wrong: %s", path, a.Body)
					}
				}
				if s.Hashes.Count() != before {
					t.Error("it was hashed")
				}
				s.Must(http.StatusOK, acceptRequest(tokenOf(invited.Link)))
			})
		}
	})
}

// Every one of 256 emoji counts, and both spellings of JSON are one password.
func TestAttack19EveryCodePointCounts(t *testing.T) {
	onBoth(t, func(t *testing.T, newScene func(*testing.T) *scene) {
		s := newScene(t)
		invited, err := s.Directory.Invite(context.Background(), s.alice.Caller(), account.Person{Email: "bob@acme.example"})
		if err != nil {
			t.Fatal(err)
		}
		var emoji strings.Builder
		for i := range 256 {
			emoji.WriteRune(rune(0x1F400 + i*7%0x100))
		}
		long := emoji.String()
		s.Must(http.StatusOK, localtest.Request{Method: "POST", Path: "/v1/invitations/accept", Body: map[string]any{"token": tokenOf(invited.Link), "password": long}})
		s.Must(http.StatusOK, loginRequest("bob@acme.example", long))
		s.Must(http.StatusUnauthorized, loginRequest("bob@acme.example", long[:len(long)-4]))
		s.Must(http.StatusUnauthorized, loginRequest("bob@acme.example", long[:len(long)-4]+"🚀"))
		var escaped strings.Builder
		for _, r := range long {
			r -= 0x10000
			escaped.WriteString(`\ud` + hex(0x800+int(r>>10)) + `\ud` + hex(0xC00+int(r&0x3ff)))
		}
		s.Must(http.StatusOK, localtest.Request{Method: "POST", Path: "/v1/login", Body: `{"email":"bob@acme.example","password":"` + escaped.String() + `"}`})
	})
}

func hex(n int) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[n>>8], digits[n>>4&15], digits[n&15]})
}

// What is known of the person is no password.
func TestPersonalPasswords(t *testing.T) {
	s := newScene(t)
	invited, err := s.Directory.Invite(context.Background(), s.Administrator("brontosaurus-telecom", "x@y.example").Caller(), account.Person{Email: "bob.builder@acme.example"})
	if err != nil {
		t.Fatal(err)
	}
	for _, plain := range []string{"brontosaurus-telecom", "Bob.Builder-2027!", "Robertina Quux 1"} {
		a := s.Must(http.StatusUnprocessableEntity, localtest.Request{Method: "POST", Path: "/v1/invitations/accept",
			Body: map[string]any{"token": tokenOf(invited.Link), "password": plain, "name": "Robertina Quux"}})
		if !strings.Contains(a.Body, "body.password") {
			t.Errorf("%q: %s", plain, a.Body)
		}
	}
	for _, name := range []string{"Bob\nBcc: all@acme.example", "Bob\u0000", strings.Repeat("a", 201)} {
		s.Must(http.StatusUnprocessableEntity, localtest.Request{Method: "POST", Path: "/v1/invitations/accept",
			Body: map[string]any{"token": tokenOf(invited.Link), "password": localtest.Password, "name": name}})
	}
}
