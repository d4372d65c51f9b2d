package deploy

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Building twice, in folders of other names, gives the same bytes: what runs can
// be compared with what stands here.
func TestBuildsAreReproducible(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	var built [2][]byte
	for i, name := range []string{"one", "another"} {
		artifacts := filepath.Join(t.TempDir(), name)
		if err := os.Mkdir(artifacts, 0o700); err != nil {
			t.Fatal(err)
		}
		build := exec.Command("make", "-C", root, "build-GateFunction", "ARTIFACTS_DIR="+artifacts)
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if built[i], err = os.ReadFile(filepath.Join(artifacts, "bootstrap")); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(built[0], built[1]) {
		t.Error("two builds of the gate differ")
	}
	for _, name := range []string{root, os.TempDir()} {
		if bytes.Contains(built[0], []byte(name+"/")) {
			t.Errorf("the binary names the folder %s", name)
		}
	}
}
