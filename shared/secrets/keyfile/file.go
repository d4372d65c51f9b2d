package keyfile

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

var (
	// ErrMissing says that there is no file at the path: Create makes one, but
	// never where a store already holds sealed values.
	ErrMissing = errors.New("keyfile: there is no key file")
	// ErrMalformed says that the file is none that Create wrote, or was cut.
	ErrMalformed = errors.New("keyfile: malformed key file")
	// ErrPermissions says that others than its owner may read or write the file.
	ErrPermissions = errors.New("keyfile: the key file is open to others")
	// ErrExists says that Create found something at the path and left it alone.
	ErrExists = errors.New("keyfile: there is a key file already")
)

const (
	comment = "# Portcullis' key. The second factors in the store are sealed with it and can't be read without it:\n" +
		"# keep a copy in a safe place, apart from the copies of the store.\n"
	linePrefix = "portcullis-key-v1 "
	maxFile    = 4096 // bytes; Create writes about 240
)

var keyBase64 = base64.StdEncoding.Strict()

// Load reads the key at path. It answers ErrMissing, ErrMalformed or
// ErrPermissions, which says how to mend it. It may be retried.
func Load(path string) (_ *Key, err error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w at %s", ErrMissing, path)
	}
	if err != nil {
		return nil, fmt.Errorf("keyfile: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := guarded(file); err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("keyfile: %w", err)
	}
	secret, err := parse(body)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, path)
	}
	return newKey(secret)
}

// guarded asks the open file, not the path, which could change in between.
func guarded(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("keyfile: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%w: %s is no plain file", ErrMalformed, file.Name())
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%w: run chmod 600 %s", ErrPermissions, file.Name())
	}
	return nil
}

// parse reads the 32 bytes of the one line that is no comment.
func parse(body []byte) ([]byte, error) {
	if len(body) > maxFile {
		return nil, fmt.Errorf("%w: over %d bytes", ErrMalformed, maxFile)
	}
	var lines []string
	for line := range strings.Lines(string(body)) {
		if line = strings.TrimRight(line, "\r\n"); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	if len(lines) != 1 {
		return nil, fmt.Errorf("%w: %d key lines, want 1", ErrMalformed, len(lines))
	}
	text, found := strings.CutPrefix(lines[0], linePrefix)
	if !found || len(text) != keyBase64.EncodedLen(keyBytes) {
		return nil, fmt.Errorf("%w: no %q line of full length", ErrMalformed, strings.TrimSpace(linePrefix))
	}
	// The decoder's error would name a position in the key, its text no more.
	secret, err := keyBase64.DecodeString(text)
	if err != nil || len(secret) != keyBytes {
		return nil, fmt.Errorf("%w: the key is not 32 bytes of base64", ErrMalformed)
	}
	return secret, nil
}

// Create makes a key from 32 bytes of rand, which must be cryptographically
// secure, and writes it durably to path, readable by the owner alone. The
// folder must exist. It answers ErrExists and changes nothing where anything
// stands at path, also when several create at once. It may be retried; a crash
// leaves the whole key or none.
func Create(path string, rand io.Reader) (*Key, error) {
	secret := make([]byte, keyBytes)
	if _, err := io.ReadFull(rand, secret); err != nil {
		return nil, fmt.Errorf("keyfile: read randomness: %w", err)
	}
	key, err := newKey(secret)
	if err != nil {
		return nil, err
	}
	body := comment + linePrefix + keyBase64.EncodeToString(secret) + "\n"
	if err := publish(path, body); err != nil {
		return nil, err
	}
	return key, nil
}

// publish writes a file beside path and links it there: unlike opening path
// with O_EXCL this can't leave half a key behind, and like it, it never
// overwrites.
func publish(path, body string) (err error) {
	folder := filepath.Dir(path)
	draft, err := os.CreateTemp(folder, ".key-*") // O_EXCL, mode 0600
	if err != nil {
		return fmt.Errorf("keyfile: %w", err)
	}
	defer func() { err = errors.Join(err, os.Remove(draft.Name())) }()
	_, writeErr := draft.WriteString(body)
	if err := errors.Join(writeErr, draft.Sync(), draft.Close()); err != nil {
		return fmt.Errorf("keyfile: %w", err)
	}
	if err := os.Link(draft.Name(), path); errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w at %s", ErrExists, path)
	} else if err != nil {
		return fmt.Errorf("keyfile: %w", err)
	}
	return syncFolder(folder)
}

func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("keyfile: %w", err)
	}
	if err := errors.Join(folder.Sync(), folder.Close()); err != nil {
		return fmt.Errorf("keyfile: %w", err)
	}
	return nil
}
