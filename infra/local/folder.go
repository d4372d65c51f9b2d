package local

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"portcullis.example/shared/secrets/keyfile"
	"portcullis.example/shared/table"
	"portcullis.example/shared/table/bolt"
)

var (
	// ErrStoreLost says that there is a key file but no store.
	ErrStoreLost = errors.New("the key file is there, but the store is missing")
	// ErrKeyLost says that there is a store but no key file.
	ErrKeyLost = errors.New("the store is there, but its key file is missing")
	// ErrOtherKey says that the key file does not belong to the store.
	ErrOtherKey = errors.New("the key file does not belong to this store")
)

// Folder is an opened data folder.
type Folder struct {
	Path  string
	Store *bolt.Store
	Key   *keyfile.Key
}

// Names in the data folder.
const (
	storeName  = "portcullis.db"
	keyName    = "key"
	outboxName = "outbox"
	demoName   = "demo.json"
)

// OpenFolder opens a data folder, and makes it where there is none. The store
// is made before its key: a store without an installation may lack its key, any
// other loss is an error. Errors: ErrStoreLost, ErrKeyLost, ErrOtherKey, bolt's
// and keyfile's, each naming the file and what to do.
func OpenFolder(ctx context.Context, path string, now func() time.Time) (_ *Folder, err error) {
	if err := os.MkdirAll(filepath.Join(path, outboxName), 0o700); err != nil {
		return nil, fmt.Errorf("the data folder can't be made: %w; remove what stands in its place, or name another folder with -data", err)
	}
	f := &Folder{Path: path}
	_, keyErr := os.Lstat(f.file(keyName))
	fresh := errors.Is(keyErr, os.ErrNotExist)
	f.Store, err = bolt.Open(f.file(storeName), bolt.Options{Now: now, Create: fresh})
	if errors.Is(err, bolt.ErrMissing) {
		return nil, fmt.Errorf("%w: bring %s back from a backup, or, to start anew and lose everything, remove %s", ErrStoreLost, f.file(storeName), f.file(keyName))
	}
	if err != nil {
		return nil, err
	}
	if err := f.openKey(ctx, fresh); err != nil {
		return nil, errors.Join(err, f.Store.Close())
	}
	return f, nil
}

func (f *Folder) file(name string) string { return filepath.Join(f.Path, name) }

type installation struct {
	KeyFingerprint string `json:"key_fingerprint"`
}

var installationKey = table.Key{Partition: "installation", Sort: "installation"}

// openKey loads the key that the store was made with, or makes the first one.
func (f *Folder) openKey(ctx context.Context, fresh bool) (err error) {
	item, err := f.Store.Get(ctx, installationKey)
	known := err == nil
	switch {
	case err != nil && !errors.Is(err, table.ErrNotFound):
		return err
	case known && fresh:
		return fmt.Errorf("%w: bring %s back from a backup; without it no second factor in the store can be read", ErrKeyLost, f.file(keyName))
	case fresh:
		f.Key, err = keyfile.Create(f.file(keyName), rand.Reader)
	default:
		f.Key, err = keyfile.Load(f.file(keyName))
	}
	if err != nil {
		return err
	}
	if !known {
		return f.install(ctx)
	}
	made, err := table.Decode[installation](item)
	if err == nil && made.KeyFingerprint != f.Key.Fingerprint() {
		err = fmt.Errorf("%w: %s and %s must come from the same backup", ErrOtherKey, f.file(keyName), f.file(storeName))
	}
	return err
}

func (f *Folder) install(ctx context.Context) error {
	item, err := table.Encode(installationKey, "installation", installation{KeyFingerprint: f.Key.Fingerprint()})
	if err != nil {
		return err
	}
	return f.Store.Apply(ctx, table.Put(item, table.Absent()))
}
