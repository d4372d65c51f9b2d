package keyfile

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func write(t *testing.T, body string, mode fs.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte(body), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
	return path
}

// sound is what Create writes for secretOf(1).
const sound = comment + "portcullis-key-v1 AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=\n"

func TestCreateThenLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	made, err := Create(path, bytes.NewReader(secretOf(1)))
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := Load(path)
	if err != nil || loaded.Fingerprint() != made.Fingerprint() {
		t.Fatalf("Load = %v", err)
	}
	sealed, err := made.Seal(t.Context(), []byte("a secret"), "u1")
	if err != nil {
		t.Fatal(err)
	}
	if opened, err := loaded.Open(t.Context(), sealed, "u1"); string(opened) != "a secret" || err != nil {
		t.Errorf("Open = %q, %v", opened, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if body, err := os.ReadFile(path); string(body) != sound || err != nil {
		t.Errorf("the file reads %q, %v", body, err)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); len(entries) != 1 || err != nil {
		t.Errorf("the folder holds %v, %v", entries, err)
	}
}

func TestCreateNeverOverwrites(t *testing.T) {
	folder := t.TempDir()
	if err := os.Symlink("nowhere", filepath.Join(folder, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "file"), []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"link", "file", "."} {
		if _, err := Create(filepath.Join(folder, name), bytes.NewReader(secretOf(1))); !errors.Is(err, ErrExists) {
			t.Errorf("Create over %s = %v, want ErrExists", name, err)
		}
	}
	if body, err := os.ReadFile(filepath.Join(folder, "file")); string(body) != "precious" || err != nil {
		t.Errorf("the file reads %q, %v", body, err)
	}
	if entries, err := os.ReadDir(folder); len(entries) != 2 || err != nil {
		t.Errorf("the folder holds %v, %v", entries, err)
	}
}

func TestCreateInParallelMakesOneKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	var made atomic.Pointer[Key]
	var work sync.WaitGroup
	for i := range 16 {
		work.Go(func() {
			key, err := Create(path, bytes.NewReader(secretOf(byte(i))))
			if err == nil && !made.CompareAndSwap(nil, key) {
				t.Error("two keys were made")
			}
			if err != nil && !errors.Is(err, ErrExists) {
				t.Error(err)
			}
		})
	}
	work.Wait()
	loaded, err := Load(path)
	if err != nil || made.Load() == nil || loaded.Fingerprint() != made.Load().Fingerprint() {
		t.Errorf("Load is not the key that was made: %v", err)
	}
}

func TestCreateWithoutRandomnessLeavesNothing(t *testing.T) {
	folder := t.TempDir()
	if _, err := Create(filepath.Join(folder, "key"), strings.NewReader("short")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Create = %v", err)
	}
	if entries, err := os.ReadDir(folder); len(entries) != 0 || err != nil {
		t.Errorf("the folder holds %v, %v", entries, err)
	}
	if _, err := Create(filepath.Join(folder, "no", "key"), bytes.NewReader(secretOf(1))); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Create without a folder = %v", err)
	}
}

func TestLoadMissing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if _, err := Load(path); !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), path) {
		t.Errorf("Load = %v, want ErrMissing with the path", err)
	}
}

func TestLoadRefusesOpenPermissions(t *testing.T) {
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o620, 0o602, 0o610, 0o644, 0o666, 0o777} {
		path := write(t, sound, mode)
		if _, err := Load(path); !errors.Is(err, ErrPermissions) || !strings.Contains(err.Error(), "chmod 600 "+path) {
			t.Errorf("mode %o: Load = %v, want ErrPermissions with the remedy", mode, err)
		}
	}
	for _, mode := range []fs.FileMode{0o600, 0o400} {
		if _, err := Load(write(t, sound, mode)); err != nil {
			t.Errorf("mode %o: Load = %v", mode, err)
		}
	}
}

func TestLoadRefusesMalformedFiles(t *testing.T) {
	line := strings.TrimSpace(strings.TrimPrefix(sound, comment))
	for name, body := range map[string]string{
		"empty": "", "comment only": comment, "cut": sound[:len(sound)-9], "cut at the padding": sound[:len(sound)-2],
		"two keys": sound + line, "other version": strings.Replace(sound, "-v1", "-v2", 1),
		"no version": strings.TrimPrefix(line, linePrefix), "no base64": strings.Replace(sound, "AQID", "A*ID", 1),
		"loose last bits": strings.Replace(sound, "HyA=", "HyB=", 1), "31 bytes": linePrefix + "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHw==",
		"33 bytes": linePrefix + "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAh", "space after": line + " ", "space before": " " + line,
		"binary": string(secretOf(1)), "5 MB": sound + strings.Repeat("#\n", 5<<19),
	} {
		_, err := Load(write(t, body, 0o600))
		if !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: Load = %v, want ErrMalformed", name, err)
		} else if strings.Contains(err.Error(), "AQID") || strings.Contains(err.Error(), "A*ID") {
			t.Errorf("%s: the error tells of the key: %v", name, err)
		}
	}
	if _, err := Load(t.TempDir()); !errors.Is(err, ErrMalformed) {
		t.Errorf("a folder: Load = %v, want ErrMalformed", err)
	}
	if _, err := Load(write(t, strings.ReplaceAll(sound, "\n", "\r\n")+"\r\n", 0o600)); err != nil {
		t.Errorf("edited on another system: Load = %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(sound))
	f.Add([]byte("portcullis-key-v1 \n"))
	f.Add([]byte("#\r\n\r\nportcullis-key-v1 AQID\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		secret, err := parse(body)
		if err == nil && len(secret) != keyBytes || err != nil && !errors.Is(err, ErrMalformed) {
			t.Errorf("parse(%q) = %d bytes, %v", body, len(secret), err)
		}
	})
}
