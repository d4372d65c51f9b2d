package users_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/access"
	"portcullis.example/shared/attempt"
	"portcullis.example/shared/mfa"
)

// everything is all that a role can grant.
func everything() []string {
	var names []string
	for _, p := range access.Permissions() {
		names = append(names, string(p))
	}
	return names
}

// Nobody raises themself: not by a role, a permission, a phone system or a longer
// unlock that they lack, not by their own role, not by another's hands.
func TestAttack32RaisingOneself(t *testing.T) {
	onBoth(t, func(t *testing.T, w *localtest.World) {
		alice := w.Administrator("acme", "alice@acme.example")
		one, two := alice.PhoneSystem("one.acme.example", nil), alice.PhoneSystem("two.acme.example", nil)
		manages := role(alice, 0, []string{"*"}, "manage_users")
		unlocks := role(alice, 600, []string{one.ID}, "unlock")
		wide := role(alice, 86400, []string{"*"}, everything()...)
		lea := w.User(alice, "lea@acme.example", manages, unlocks)
		bob := w.User(alice, "bob@acme.example")
		grants := func(systems []string, seconds int, permissions ...string) map[string]any {
			return map[string]any{"name": "x", "permissions": permissions, "phone_systems": systems, "max_unlock_seconds": seconds}
		}
		for name, try := range map[string]struct {
			method, path string
			body         map[string]any
		}{
			"herself an administrator":            {"PATCH", userPath(lea), map[string]any{"administrator": true}},
			"herself a role":                      {"PATCH", userPath(lea), map[string]any{"roles": []string{manages, unlocks, wide}}},
			"herself a built-in role":             {"PATCH", userPath(lea), map[string]any{"roles": []string{manages, access.Technician}}},
			"somebody else an administrator":      {"PATCH", userPath(bob), map[string]any{"administrator": true}},
			"somebody else a role":                {"PATCH", userPath(bob), map[string]any{"roles": []string{wide}}},
			"a new user an administrator":         {"POST", "/v1/users", map[string]any{"email": "m@acme.example", "administrator": true}},
			"a new user a role":                   {"POST", "/v1/users", map[string]any{"email": "m@acme.example", "roles": []string{access.Technician}}},
			"the role she rests on":               {"PATCH", "/v1/roles/" + unlocks, map[string]any{"name": "mine"}},
			"the role she rests on, gone":         {"DELETE", "/v1/roles/" + unlocks, nil},
			"the role she rests on, longer":       {"PATCH", "/v1/roles/" + unlocks, map[string]any{"max_unlock_seconds": 601}},
			"a role with another permission":      {"POST", "/v1/roles", grants([]string{one.ID}, 600, "unlock", "close_unlocks")},
			"a role with another phone system":    {"POST", "/v1/roles", grants([]string{two.ID}, 600, "unlock")},
			"a role with every phone system":      {"POST", "/v1/roles", grants([]string{"*"}, 600, "unlock")},
			"a role with a longer unlock":         {"POST", "/v1/roles", grants([]string{one.ID}, 601, "unlock")},
			"a role beyond hers, narrowed":        {"PATCH", "/v1/roles/" + wide, map[string]any{"permissions": []string{"manage_users"}}},
			"an administrator's factor":           {"POST", userPath(alice) + "/mfa-reset", nil},
			"a user's factor":                     {"POST", userPath(bob) + "/mfa-reset", nil},
			"an administrator away":               {"DELETE", userPath(alice), nil},
			"an administrator's new invitation":   {"POST", userPath(alice) + "/invitation", nil},
			"an administrator's name":             {"PATCH", userPath(alice), map[string]any{"name": "x"}},
			"herself away, to be invited with it": {"DELETE", userPath(lea), nil},
		} {
			var body any
			if try.body != nil {
				body = try.body
			}
			if a := lea.Do(try.method, try.path, body); a.Status != http.StatusForbidden || a.Text("code") != "forbidden" {
				t.Errorf("%s: %d %s", name, a.Status, a.Body)
			}
		}
		lea.Must(201, "POST", "/v1/roles", grants([]string{one.ID}, 600, "unlock"))
		lea.Must(200, "PATCH", userPath(bob), map[string]any{"roles": []string{unlocks}})
		if a := alice.Do("POST", userPath(alice)+"/mfa-reset", nil); a.Status != http.StatusForbidden || a.Text("code") != "forbidden" {
			t.Errorf("an administrator resets their own factor: %d %s", a.Status, a.Body)
		}
		if got := lea.Must(200, "GET", "/v1/session", nil).JSON["permissions"]; fmt.Sprint(got) != "[unlock manage_users]" {
			t.Errorf("after all of it she has %v", got)
		}
	})
}

// Of administrators who remove each other, or all step down at once, one remains:
// whatever way they take.
func TestAttack33AdministratorsRemoveEachOther(t *testing.T) {
	ways := map[string]func(p, other *localtest.Person) localtest.Request{
		"demote each other": func(p, other *localtest.Person) localtest.Request {
			return bearer(p.Token, "PATCH", userPath(other), map[string]any{"administrator": false})
		},
		"deactivate each other": func(p, other *localtest.Person) localtest.Request {
			return bearer(p.Token, "PATCH", userPath(other), map[string]any{"active": false})
		},
		"delete each other": func(p, other *localtest.Person) localtest.Request {
			return bearer(p.Token, "DELETE", userPath(other), nil)
		},
		"all step down": func(p, _ *localtest.Person) localtest.Request {
			return bearer(p.Token, "PATCH", userPath(p), map[string]any{"administrator": false})
		},
		"all leave": func(p, _ *localtest.Person) localtest.Request { return bearer(p.Token, "DELETE", userPath(p), nil) },
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, w *localtest.World) {
				for round := range 3 {
					partner := fmt.Sprintf("acme%d", round)
					admins := []*localtest.Person{w.Administrator(partner, "a@"+partner+".example")}
					for _, who := range []string{"b", "c"} {
						admins[0].Must(201, "POST", "/v1/users", map[string]any{"email": who + "@" + partner + ".example", "administrator": true})
						admins = append(admins, joinByMail(w, who+"@"+partner+".example"))
					}
					var done atomic.Int64
					localtest.Parallel(len(admins), func(i int) {
						if a := w.Send(way(admins[i], admins[(i+1)%len(admins)])); a.Status < 300 {
							done.Add(1)
						} else if !slices.Contains([]int{401, 403, 404, 409, 503}, a.Status) {
							t.Errorf("answered %d %s", a.Status, a.Body)
						}
					})
					left := 0
					for _, p := range admins {
						if a := w.Send(bearer(p.Token, "GET", "/v1/users", nil)); a.Status == http.StatusOK {
							left++
						}
					}
					if left < 1 || left != len(admins)-int(done.Load()) {
						t.Errorf("round %d: %d done, %d administrators are left", round, done.Load(), left)
					}
				}
			})
		})
	}
}

// A stolen session of an administrator changes nobody's rights without fresh MFA.
func TestAttack40StolenSessionChangesNobody(t *testing.T) {
	onBoth(t, func(t *testing.T, w *localtest.World) {
		alice := w.Administrator("acme", "alice@acme.example")
		bob := w.User(alice, "bob@acme.example", access.Auditor)
		own := role(alice, 600, []string{"*"}, "unlock")
		w.Clock.Add(access.FreshFor)
		for _, try := range []struct {
			method, path string
			body         any
		}{
			{"POST", "/v1/users", map[string]any{"email": "m@acme.example", "administrator": true}},
			{"PATCH", userPath(bob), map[string]any{"administrator": true}},
			{"PATCH", userPath(bob), map[string]any{"roles": []string{own}}},
			{"PATCH", userPath(bob), map[string]any{"active": false}},
			{"DELETE", userPath(bob), nil},
			{"POST", userPath(bob) + "/invitation", nil},
			{"POST", userPath(bob) + "/mfa-reset", nil},
			{"POST", "/v1/roles", map[string]any{"name": "x", "permissions": []string{"view_audit"}, "phone_systems": []string{"*"}}},
			{"PATCH", "/v1/roles/" + own, map[string]any{"max_unlock_seconds": 86400}},
			{"DELETE", "/v1/roles/" + own, nil},
		} {
			if a := alice.Do(try.method, try.path, try.body); a.Status != http.StatusForbidden || a.Text("code") != "mfa_required" {
				t.Errorf("%s %s: %d %s", try.method, try.path, a.Status, a.Body)
			}
		}
		if n := len(alice.Must(200, "GET", "/v1/users", nil).Items()); n != 2 {
			t.Errorf("%d users", n)
		}
	})
}

// Inviting an address of another partner's is answered like any other, and the
// answer tells nothing; its owner alone is told.
func TestAttack44InvitingAnAddressOfAnotherPartner(t *testing.T) {
	onBoth(t, func(t *testing.T, w *localtest.World) {
		alice := w.Administrator("acme", "alice@acme.example")
		mallory := w.Administrator("rival", "mallory@rival.example")
		invite := func(email string) localtest.Answer {
			a := mallory.Must(http.StatusCreated, "POST", "/v1/users", map[string]any{"email": email, "name": "Somebody"})
			return mallory.Must(http.StatusOK, "GET", "/v1/users/"+a.Text("id"), nil)
		}
		taken, free := invite(alice.Email), invite("elice@acme.example")
		blank := strings.NewReplacer(taken.Text("id"), "ID", free.Text("id"), "ID", "elice@", "alice@")
		if blank.Replace(taken.Body) != blank.Replace(free.Body) {
			t.Errorf("an address in use: %s\na free one: %s", taken.Body, free.Body)
		}
		again := mallory.Must(http.StatusOK, "POST", "/v1/users/"+taken.Text("id")+"/invitation", nil)
		if again.JSON["joined_at"] != nil {
			t.Errorf("sent again: %s", again.Body)
		}
		w.Tick()
		letters := w.Mail.To(alice.Email)
		if last := letters[len(letters)-1].Text; strings.Contains(last, "token=") || !strings.Contains(last, "another account") {
			t.Errorf("the owner is told: %s", last)
		}
		if n := len(alice.Must(http.StatusOK, "GET", "/v1/users", nil).Items()); n != 1 {
			t.Errorf("the owner's partner has %d users", n)
		}
	})
}

// reset has a user's factor reset and answers the code and a new login token.
func reset(w *localtest.World, by, p *localtest.Person) (code, login string) {
	w.T.Helper()
	code = by.Must(http.StatusOK, "POST", userPath(p)+"/mfa-reset", nil).Text("enrollment_code")
	return code, p.Login()
}

func enroll(login, code string) localtest.Request {
	return localtest.Request{Method: "POST", Path: "/v1/login/enroll", Body: map[string]any{"login_token": login, "enrollment_code": code}}
}

// Who has the mailbox and the password enrols nothing after a factor reset: the
// code never stands in a mail, and lives an hour.
func TestAttack41FactorResetNeedsACodeFromOutsideMail(t *testing.T) {
	onBoth(t, func(t *testing.T, w *localtest.World) {
		alice := w.Administrator("acme", "alice@acme.example")
		bob := w.User(alice, "bob@acme.example")
		code, login := reset(w, alice, bob)
		w.Tick()
		told := false
		for _, letter := range w.Mail.To(bob.Email) {
			told = told || strings.Contains(letter.Subject, "reset")
			if strings.Contains(letter.Text+letter.HTML+letter.Subject, code) {
				t.Error("a mail carries the code")
			}
		}
		if !told {
			t.Error("the user is not told")
		}
		w.Must(http.StatusUnprocessableEntity, enroll(login, ""))
		w.Must(http.StatusUnauthorized, enroll(login, strings.ToUpper(code[:len(code)-4])))
		w.Must(http.StatusOK, enroll(login, strings.ReplaceAll(strings.ToUpper(code), "-", " ")))
		w.Clock.Add(mfa.CodeKept)
		w.Must(http.StatusUnauthorized, enroll(bob.Login(), code))
		w.Must(http.StatusUnprocessableEntity, enroll(bob.Login(), ""))
		if strings.Contains(w.Log.String(), code) {
			t.Error("the log has the code")
		}
	})
}

// The code of a reset enrols once, however many use it at once, and guessing it
// is limited as any factor is.
func TestAttack13EnrollmentCodeEnrolsOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, w *localtest.World) {
		alice := w.Administrator("acme", "alice@acme.example")
		bob := w.User(alice, "bob@acme.example")
		w.Clock.Add(time.Minute) // a code of the new authenticator is of a later step
		code, _ := reset(w, alice, bob)
		logins := make([]string, 4)
		thieves := make([]localtest.Person, len(logins))
		for i := range logins {
			logins[i] = bob.Login()
			thieves[i] = *bob
			thieves[i].Secret = w.Must(http.StatusOK, enroll(logins[i], code)).Text("secret")
		}
		got := w.Together(len(logins), func(i int) localtest.Request {
			return localtest.Request{Method: "POST", Path: "/v1/login/enroll/confirm", Body: map[string]any{"login_token": logins[i], "code": thieves[i].Code()}}
		})
		if got[http.StatusOK] != 1 {
			t.Errorf("enrolled %d times: %v", got[http.StatusOK], got)
		}
		w.Must(http.StatusConflict, enroll(bob.Login(), code))
	})
}

func TestAttack06EnrollmentCodeIsLimited(t *testing.T) {
	onBoth(t, func(t *testing.T, w *localtest.World) {
		alice := w.Administrator("acme", "alice@acme.example")
		bob := w.User(alice, "bob@acme.example")
		code, login := reset(w, alice, bob)
		for range attempt.Limit {
			w.Must(http.StatusUnauthorized, enroll(login, "aaaa-aaaa-aaaa-aaaa-aaaa-aaaa"))
		}
		a := w.Send(enroll(login, code))
		if a.Status != http.StatusTooManyRequests || a.Header.Get("Retry-After") == "" {
			t.Errorf("after %d guesses: %d %s", attempt.Limit, a.Status, a.Body)
		}
	})
}

// A code of an earlier reset, or from before a restore of the store, enrols
// nothing; and a reset never lowers the last accepted step.
func TestAttack46EnrollmentCodeOfAnotherDay(t *testing.T) {
	w := localtest.New(t)
	alice := w.Administrator("acme", "alice@acme.example")
	bob := w.User(alice, "bob@acme.example")
	first, _ := reset(w, alice, bob)
	second, login := reset(w, alice, bob)
	w.Must(http.StatusUnauthorized, enroll(login, first))
	item, err := w.Table.Get(t.Context(), mfa.Key(bob.ID))
	if err != nil {
		t.Fatal(err)
	}
	if factors, err := mfa.Read(item); err != nil || factors.LastStep == 0 || factors.Enrolled() {
		t.Errorf("after a reset: %+v, %v", factors, err)
	}
	w.Clock.Add(time.Minute)
	w.Restore()
	w.Must(http.StatusUnauthorized, enroll(bob.Login(), second))
}
