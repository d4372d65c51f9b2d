package local_test

import (
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"portcullis.example/infra/local"
	"portcullis.example/infra/local/localtest"
	letters "portcullis.example/shared/mail"
)

func files(t *testing.T, folder string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil {
		t.Fatal(err)
	}
	hidden, err := filepath.Glob(filepath.Join(folder, ".*"))
	if err != nil {
		t.Fatal(err)
	}
	return append(found, hidden...)
}

func TestALetterIsAFile(t *testing.T) {
	folder := t.TempDir()
	o := local.Outbox{Folder: folder, From: "portcullis@localhost"}
	letter := letters.Letter{ID: "01ARZ3NDEKTSV4RRFFQ69G5FAV", To: "ada@example.com", Subject: "Hello, Ada\r\nBcc: eve@example.com", Text: "https://portal.example/#accept?token=" + strings.Repeat("a", 100) + "\n"}
	for range 2 { // delivered twice, it is one file
		if err := o.Send(context.Background(), letter); err != nil {
			t.Fatal(err)
		}
	}
	found := files(t, folder)
	if len(found) != 1 || filepath.Base(found[0]) != letter.ID+"-ada@example.com.eml" {
		t.Fatalf("%q", found)
	}
	if info, err := os.Stat(found[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	file, err := os.Open(found[0])
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	read, err := mail.ReadMessage(file)
	if err != nil || read.Header.Get("To") != "<ada@example.com>" || read.Header.Get("Bcc") != "" {
		t.Errorf("%v %v", read, err)
	}
	if text, err := os.ReadFile(found[0]); err != nil || !strings.Contains(string(text), letter.Text[:60]) {
		t.Errorf("the link is broken up: %s %v", text, err)
	}
}

// The longest address there is (RFC 5321 section 4.5.3.1) gets its letter too.
func TestALetterToALongAddressIsAFile(t *testing.T) {
	folder := t.TempDir()
	o := local.Outbox{Folder: folder, From: "portcullis@localhost"}
	label := strings.Repeat("b", 61) + "."
	to := strings.Repeat("a", 64) + "@" + label + label + label + "ccc"
	if len(to) != 254 {
		t.Fatal(len(to))
	}
	for _, id := range []string{"01ARZ3NDEKTSV4RRFFQ69G5FAV", "01ARZ3NDEKTSV4RRFFQ69G5FAW"} {
		if err := o.Send(context.Background(), letters.Letter{ID: id, To: to, Subject: "x", Text: "x"}); err != nil {
			t.Fatal(err)
		}
	}
	if found := files(t, folder); len(found) != 2 {
		t.Errorf("%q", found)
	}
}

func TestALetterStaysInTheOutbox(t *testing.T) {
	folder := t.TempDir()
	o := local.Outbox{Folder: folder, From: "portcullis@localhost"}
	letter := letters.Letter{ID: "01ARZ3NDEKTSV4RRFFQ69G5FAV", To: `"../../x/../y"@example.com`, Subject: "x", Text: "x"}
	if err := o.Send(context.Background(), letter); err != nil {
		t.Fatal(err)
	}
	if found := files(t, folder); len(found) != 1 || strings.ContainsAny(filepath.Base(found[0]), `/\"`) {
		t.Errorf("%q", found)
	}
	if err := o.Send(context.Background(), letters.Letter{ID: "1", To: "nobody", Subject: "x", Text: "x"}); err == nil {
		t.Error("a letter to no address was sent")
	}
}

// A mail program finds the text and the HTML, to show one of them.
func TestALetterIsTextAndHTML(t *testing.T) {
	folder := t.TempDir()
	letter := letters.Letter{ID: "1", To: "ada@example.com", Subject: "Grüße", Text: "Grüße,\n\nhttps://portal.example/#accept?token=" + strings.Repeat("a", 100) + "\n", HTML: "<p>Grüße,</p>\n"}
	if err := (local.Outbox{Folder: folder, From: "portcullis@localhost"}).Send(context.Background(), letter); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(files(t, folder)[0])
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	read, err := mail.ReadMessage(file)
	if err != nil {
		t.Fatal(err)
	}
	kind, parameters, err := mime.ParseMediaType(read.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("it is %s (%v)", kind, err)
	}
	parts := multipart.NewReader(read.Body, parameters["boundary"])
	for _, want := range [][2]string{{"text/plain; charset=UTF-8", letter.Text}, {"text/html; charset=UTF-8", letter.HTML}} {
		part, err := parts.NextPart()
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(part)
		if err != nil || part.Header.Get("Content-Type") != want[0] || !slices.Equal(strings.Fields(string(body)), strings.Fields(want[1])) {
			t.Errorf("%s (%v): %s", part.Header.Get("Content-Type"), err, body)
		}
	}
	if _, err := parts.NextPart(); !errors.Is(err, io.EOF) {
		t.Errorf("there is more: %v", err)
	}
}

// A letter waits for as long as the outbox can't be written, and goes out once.
func TestLettersWaitForTheOutbox(t *testing.T) {
	w := localtest.New(t)
	folder := filepath.Join(t.TempDir(), "outbox")
	o := local.Outbox{Folder: folder, From: "portcullis@localhost"}
	w.Courier.Sender = o
	admin := w.Administrator("acme", "alice@acme.example")
	if sent, err := w.Courier.Deliver(context.Background()); sent != 0 || err == nil || !strings.Contains(err.Error(), "outbox") {
		t.Errorf("into nothing: %d %v", sent, err)
	}
	admin.Must(http.StatusOK, "GET", "/v1/session", nil)
	if err := o.Writable(); err == nil || !strings.Contains(err.Error(), folder) {
		t.Errorf("writable: %v", err)
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := o.Writable(); err != nil || len(files(t, folder)) != 0 {
		t.Errorf("writable: %v %q", err, files(t, folder))
	}
	w.Clock.Add(2 * time.Minute)
	for range 2 {
		if _, err := w.Courier.Deliver(context.Background()); err != nil {
			t.Error(err)
		}
	}
	if found := files(t, folder); len(found) != 2 { // the invitation, and the notice of what was enrolled
		t.Errorf("%q", found)
	}
}
