package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	gomail "github.com/wneessen/go-mail"

	"portcullis.example/shared/mail"
)

// Outbox delivers letters as files, one a letter and address, that any mail
// program opens. A letter delivered twice is one file.
type Outbox struct {
	Folder string
	// From is the sender's address.
	From string
}

// Send writes one letter. The file appears whole or not at all, readable by its
// owner alone: links let their reader in.
func (o Outbox) Send(_ context.Context, letter mail.Letter) error {
	m := gomail.NewMsg()
	if err := errors.Join(m.From(o.From), m.To(letter.To)); err != nil {
		return fmt.Errorf("outbox: %w", err)
	}
	m.Subject(letter.Subject)
	m.SetMessageIDWithValue(letter.ID + "@portcullis")
	m.SetDate()
	// Unencoded, so that whoever looks into the file finds links in one piece.
	m.SetBodyString(gomail.TypeTextPlain, letter.Text, gomail.WithPartEncoding(gomail.NoEncoding))
	m.AddAlternativeString(gomail.TypeTextHTML, letter.HTML, gomail.WithPartEncoding(gomail.NoEncoding))
	// Durable: what was sent is taken out of the table.
	if err := publish(filepath.Join(o.Folder, letter.ID+"-"+fileName(letter.To)+".eml"), m); err != nil {
		return fmt.Errorf("outbox: %w", err)
	}
	return nil
}

// Writable is nil if letters can be written now; else it says what to do.
func (o Outbox) Writable() error {
	probe, err := os.CreateTemp(o.Folder, ".probe-*")
	if err == nil {
		err = errors.Join(probe.Close(), os.Remove(probe.Name()))
	}
	if err != nil {
		return fmt.Errorf("the outbox can't be written: %w; make %s a folder that this user may write to", err, o.Folder)
	}
	return nil
}

// maxName is how much of an address a file's name has: with the letter's id before
// it, file systems take 255 bytes, and an address may have 254.
const maxName = 160

// fileName keeps of an address what is safe in a file's name anywhere.
func fileName(address string) string {
	name := []byte(address[:min(len(address), maxName)])
	for i, c := range name {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '.', c == '-', c == '@':
		default:
			name[i] = '_'
		}
	}
	return string(name)
}
