package session_test

import (
	"context"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/account"
	"portcullis.example/shared/mfa/totp"
	"portcullis.example/shared/table/tabletest"
)

const preciousWrong = "a wrong but precious password"

// joined takes bob from the invitation to a session and notes every secret on
// the way.
func (s *scene) joined(secrets map[string]string) (bob *localtest.Person) {
	s.T.Helper()
	invited, err := s.Directory.Invite(context.Background(), s.alice.Caller(), account.Person{Email: "bob@acme.example"})
	if err != nil {
		s.T.Fatal(err)
	}
	link := tokenOf(invited.Link)
	s.Tick()
	s.Must(http.StatusUnprocessableEntity, localtest.Request{Method: "POST", Path: "/v1/invitations/accept", Body: map[string]any{"token": link, "password": preciousWrong + "\n"}})
	login := s.Must(http.StatusOK, acceptRequest(link)).Text("login_token")
	bob = &localtest.Person{Email: "bob@acme.example", Secret: s.Must(http.StatusOK, enrollRequest(login)).Text("secret")}
	code := s.codeAt(bob, s.Clock.Now())
	done := s.Must(http.StatusOK, confirmRequest(login, code))
	codes, _ := done.JSON["recovery_codes"].([]any)
	for _, code := range codes {
		text, _ := code.(string)
		bob.RecoveryCodes = append(bob.RecoveryCodes, text)
		secrets["recovery code "+text[:4]], secrets["bare recovery code "+text[:4]] = text, strings.ReplaceAll(text, "-", "")
	}
	secrets["mail link"], secrets["first login token"], secrets["TOTP secret"], secrets["enrolment code"] = link, login, bob.Secret, code
	secrets["session token"], secrets["device token"] = done.Text("token"), done.Header.Get("Portcullis-Device")
	return bob
}

// stumbled sends what people and failing tables make of it.
func (s *scene) stumbled(bob *localtest.Person, secrets map[string]string) {
	s.T.Helper()
	// A password typed where the e-mail belongs, and one in a field too many.
	s.Send(loginRequest(preciousWrong, localtest.Password))
	s.Send(localtest.Request{Method: "POST", Path: "/v1/login", Body: map[string]any{"password": localtest.Password, "passwort": preciousWrong}})
	s.Send(loginRequest(bob.Email, preciousWrong))
	login := s.Must(http.StatusOK, loginRequest(bob.Email, localtest.Password)).Text("login_token")
	s.Send(mfaRequest(login, "recovery_code", preciousWrong))
	secrets["login token"] = login
	secrets["second session token"] = s.Must(http.StatusOK, mfaRequest(login, "recovery_code", bob.RecoveryCodes[0])).Text("token")
	for position := range 5 {
		login = s.Must(http.StatusOK, loginRequest(bob.Email, localtest.Password)).Text("login_token")
		for _, req := range []localtest.Request{
			loginRequest(bob.Email, localtest.Password), stepUpRequest(s.alice, "totp", s.codeAt(s.alice, s.Clock.Now())),
			mfaRequest(login, "totp", s.codeAt(bob, s.Clock.Now())), mfaRequest(login, "recovery_code", bob.RecoveryCodes[position+1]),
		} {
			s.faults.SetPlan(tabletest.At(position, tabletest.Fail))
			s.Send(req)
		}
		s.faults.SetPlan(nil)
		s.Clock.Add(totp.Period)
	}
	s.Tick()
}

// After a run through everything, nothing that lets somebody in stands in the
// log or anywhere in the store's file, freed pages included.
func TestSecretsStayInside(t *testing.T) {
	s := newScene(t)
	secrets := map[string]string{"password": localtest.Password, "wrong password": preciousWrong}
	s.stumbled(s.joined(secrets), secrets)
	if len(secrets) != 30 {
		t.Fatalf("%d secrets", len(secrets))
	}
	file, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	log := s.Log.String()
	if !strings.Contains(string(file), "bob@acme.example") || !strings.Contains(log, "injected") {
		t.Fatal("this looks in the wrong places")
	}
	for name, secret := range secrets {
		if len(secret) < 6 {
			t.Fatalf("the %s is %q", name, secret)
		}
		// Whole words: six digits stand in many a time.
		if regexp.MustCompile(`\b` + regexp.QuoteMeta(secret) + `\b`).MatchString(log) {
			t.Errorf("the %s is in the log", name)
		}
		if name == "enrolment code" { // six digits occur by chance in a store
			continue
		}
		for _, reading := range []string{secret, strings.ToLower(secret), strings.ToUpper(secret)} {
			if strings.Contains(string(file), reading) {
				t.Errorf("the %s is in the store", name)
			}
		}
	}
}
