package web

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"portcullis.example/shared/token"
	"strings"
	"testing"
	"time"

	"portcullis.example/shared/access"
	"portcullis.example/shared/account/password"
	"portcullis.example/shared/attempt"
	"portcullis.example/shared/input"
	"portcullis.example/shared/secrets"
	"portcullis.example/shared/session"
	"portcullis.example/shared/table"
	"portcullis.example/shared/unlock"
)

func TestProblemOf(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		code   string
		retry  string
	}{
		{fmt.Errorf("inner secret: %w", session.ErrBadAttempt), 401, BadAttempt, ""},
		{session.ErrMustEnroll, 403, MFAEnrollmentRequired, ""},
		{access.ErrNotFresh, 403, MFARequired, ""},
		{access.ErrForbidden, 403, Forbidden, ""},
		{ErrCrossOrigin, 403, Forbidden, ""},
		{&unlock.AlreadyUnlockedError{UnlockID: "U"}, 409, AlreadyUnlocked, ""},
		{&input.OutOfRangeError{Location: "body.seconds", Min: 60, Max: 90}, 422, OutOfRange, ""},
		{input.Invalid("body.name", "is missing"), 422, Invalid, ""},
		{password.ErrTooShort, 422, Invalid, ""},
		{&attempt.LockedError{RetryAfter: 90*time.Second + time.Millisecond}, 429, TooManyAttempts, "91"},
		{fmt.Errorf("inner secret: %w", table.ErrUnavailable), 503, Unavailable, "2"},
		{fmt.Errorf("inner secret: %w", secrets.ErrUnavailable), 503, Unavailable, "2"},
		{fmt.Errorf("inner secret: %w", password.ErrBusy), 503, Unavailable, "2"},
		{context.DeadlineExceeded, 503, Unavailable, "2"},
		{errors.New("inner secret"), 500, Internal, ""},
		{fmt.Errorf("inner secret: %w", table.ErrInvalid), 500, Internal, ""},
	} {
		recorder := httptest.NewRecorder()
		p := problemOf(c.err)
		p.Write(recorder)
		if recorder.Code != c.status || p.Code != c.code || recorder.Header().Get("Retry-After") != c.retry {
			t.Errorf("%v: %d %s, Retry-After %q", c.err, recorder.Code, p.Code, recorder.Header().Get("Retry-After"))
		}
		body := recorder.Body.String()
		if strings.Contains(body, "secret") || recorder.Header().Get("Content-Type") != "application/problem+json" || p.Title != http.StatusText(c.status) {
			t.Errorf("%v is told as %s", c.err, body)
		}
		if p.Status == http.StatusUnprocessableEntity && len(p.Errors) == 0 {
			t.Errorf("%v does not say which field", c.err)
		}
	}
}

// A panic tells the log where it was, and the client nothing.
func TestPanicIsAnError(t *testing.T) {
	var log bytes.Buffer
	a := &API{log: slog.New(slog.NewTextHandler(&log, nil)), ids: token.NewIDs(time.Now, rand.Reader)}
	recorder := httptest.NewRecorder()
	func() {
		defer a.recover(recorder, httptest.NewRequest(http.MethodGet, "/x", nil))
		panic("inner secret")
	}()
	if recorder.Code != http.StatusInternalServerError || strings.Contains(recorder.Body.String(), "secret") || !strings.Contains(log.String(), "panic") {
		t.Errorf("%d %s", recorder.Code, recorder.Body)
	}
	defer func() {
		if recover() != http.ErrAbortHandler {
			t.Error("an aborted answer goes on")
		}
	}()
	defer a.recover(recorder, httptest.NewRequest(http.MethodGet, "/x", nil))
	panic(http.ErrAbortHandler)
}

func TestBaseURLDecidesTheCookies(t *testing.T) {
	for base, want := range map[string]string{
		"https://portal.example": "__Host-portcullis", "http://localhost:8080": "portcullis", "://": "__Host-portcullis",
	} {
		c := newCookies(base)
		if got := c.Session("secret", time.Unix(100, 0), time.Unix(40, 5)); got.Name != want || got.Secure != strings.HasPrefix(want, "__Host-") || got.MaxAge != 60 {
			t.Errorf("%s: %+v", base, got)
		}
	}
	// A base URL that can't be read has no origin that could agree.
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.Header.Set("Origin", "")
	if newCookies("://").sameOrigin(r) == nil {
		t.Error("no origin is ours")
	}
}
