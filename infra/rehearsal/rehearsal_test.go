//go:build rehearsal

package rehearsal

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"portcullis.example/infra/local/scenario"
	"portcullis.example/shared/table/dynamo/dynamotest"
)

func TestMain(m *testing.M) { os.Exit(dynamotest.Main(m)) }

// build builds every function as for Lambda, for this machine, with the
// rehearsal's clock.
func build(t testing.TB) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	clock, err := os.ReadFile("clock.overlay")
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, text []byte) string {
		file := filepath.Join(folder, name)
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root, "shared/stack/clock.go"): write("clock.go", clock)}})
	if err != nil {
		t.Fatal(err)
	}
	flags := "LAMBDA_FLAGS=-overlay " + write("overlay.json", overlay)
	for _, name := range []string{"Login", "Users", "PhoneSystems", "Unlocks", "Gate", "Reports", "Portal", "Auditor", "Courier", "Installer"} {
		artifacts := filepath.Join(folder, strings.ToLower(name))
		if err := os.Mkdir(artifacts, 0o700); err != nil {
			t.Fatal(err)
		}
		made := exec.Command("make", "-C", root, "build-"+name+"Function", "ARTIFACTS_DIR="+artifacts, "LAMBDA_ARCH="+runtime.GOARCH, flags)
		if out, err := made.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", name, err, out)
		}
	}
	return folder
}

// The scenarios of the main job, unchanged, on the built functions; then what
// each asked of AWS, against what the template lets it do.
func TestRehearsal(t *testing.T) {
	c, err := newCloud()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	binaries := build(t)
	var last *world
	t.Run("scenarios", func(t *testing.T) {
		files, err := filepath.Glob("../local/testdata/scenarios/*.txtar")
		if err != nil || len(files) == 0 {
			t.Fatalf("no scenarios: %v", err)
		}
		for _, file := range files {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				archive := txtar.Parse(text)
				for _, script := range append([]txtar.File{{Name: filepath.Base(file), Data: archive.Comment}}, archive.Files...) {
					last = newWorld(t, c, binaries, nil)
					if err := scenario.Run(last, filepath.Base(file)+"/"+script.Name, string(script.Data)); err != nil {
						t.Error(err)
					}
				}
			})
		}
	})
	rehearseRest(t, c, func(t *testing.T, extra map[string]string) *world {
		last = newWorld(t, c, binaries, extra)
		return last
	})
	t.Run("installer", func(t *testing.T) { last = newWorld(t, c, binaries, nil); rehearseInstaller(t, last) })
	t.Run("permissions", func(t *testing.T) { holdPermissions(t, c, last.template) })
}

func rehearseInstaller(t *testing.T, w *world) {
	w.cloud.sandbox = true
	ask := func(text string) string {
		answer, err := w.functions["installer"].invoke(t.Context(), []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return string(answer)
	}
	const invite = `{"action":"invite","email":"operator@example.com"}`
	if got := ask(invite); !strings.Contains(got, "SES is still in its sandbox") {
		t.Errorf("in the sandbox: %s", got)
	}
	w.cloud.sandbox = false
	if got := ask(invite); !strings.Contains(got, "operator@example.com was invited") {
		t.Errorf("out of it: %s", got)
	}
	if got := ask(invite); !strings.Contains(got, "the invitation waits") {
		t.Errorf("again: %s", got)
	}
	w.joins("operator@example.com").ask(200, "GET", "/v1/session", nil)
	if got := ask(`{"action":"recover","email":"operator@example.com"}`); !strings.Contains(got, portal+"/#accept?token=") {
		t.Errorf("recovering: %s", got)
	}
	if got := ask(`{"action":"recover","email":"another@example.com"}`); !strings.Contains(got, portal+"/#accept?token=") {
		t.Errorf("recovering another: %s", got)
	}
	w.must(w.Tick())
}

// holdPermissions fails for a call that the function's role does not grant, and
// for a grant that no call used.
func holdPermissions(t *testing.T, c *cloud, template *transformed) {
	used := map[grant]bool{}
	refused := map[string]bool{}
	functions := template.functions()
	wholes := map[string][]whole{}
	for name, logical := range functions {
		found, err := template.wholes(logical)
		if err != nil {
			t.Fatal(err)
		}
		wholes[name] = found
	}
	for _, one := range c.calls {
		if _, ours := functions[one.function]; ours && !judge(wholes[one.function], one, used) {
			refused[fmt.Sprintf("%s may not %s on %s %q", one.function, one.action, one.resource, one.values)] = true
		}
	}
	for _, text := range slices.Sorted(maps.Keys(refused)) {
		t.Error(text)
	}
	for _, text := range c.unknown {
		t.Error(text)
	}
	for _, name := range slices.Sorted(maps.Keys(functions)) {
		for _, g := range all(name, wholes[name]) {
			if !used[g] && g.resource != "dead letters" { // that one Lambda uses itself
				t.Errorf("nothing used: %s %s on %s %s", g.function, g.action, g.resource, g.pattern)
			}
		}
	}
	t.Logf("%d calls, %d grants used", len(c.calls), len(used))
}
