package stack

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"

	"portcullis.example/shared/account/password"
	"portcullis.example/shared/config"
)

// shortestCursorKey is in characters; the template generates 64.
const shortestCursorKey = 32

// Cursors is the key of lists' cursors, from PORTCULLIS_CURSOR_KEY.
func Cursors(s *Stack) error {
	text, err := s.Need("PORTCULLIS_CURSOR_KEY")
	if err != nil {
		return err
	}
	if len(text) < shortestCursorKey {
		return fmt.Errorf("%w: PORTCULLIS_CURSOR_KEY must be at least %d random characters", config.ErrConfig, shortestCursorKey)
	}
	key := sha256.Sum256([]byte(text))
	s.Options.CursorKey = key[:]
	return nil
}

// Passwords hashes and judges passwords.
func Passwords(s *Stack) error {
	hasher, err := password.New(password.Options{Rand: rand.Reader, Params: password.DefaultParams()})
	s.Options.Hasher = hasher
	return err
}
