package users_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/access"
	"portcullis.example/shared/table"
)

// written is a table that remembers which items are written.
type written struct {
	table.Table
	mu   sync.Mutex
	keys map[table.Key]bool
}

func (w *written) Apply(ctx context.Context, writes ...table.Write) error {
	w.mu.Lock()
	for _, write := range writes {
		if write.Op != table.OpCheck {
			w.keys[write.Item.Key] = true
		}
	}
	w.mu.Unlock()
	return w.Table.Apply(ctx, writes...)
}

// during answers which items something writes.
func (w *written) during(do func()) map[table.Key]bool {
	w.mu.Lock()
	w.keys = map[table.Key]bool{}
	w.mu.Unlock()
	do()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.keys
}

// However many users there are, no item is written for two of them, and the
// partitions that they share are those that docs/access-patterns.md says why they do not
// grow hot: whatever is one item, or one partition for all, would.
func TestUsersShareNoItem(t *testing.T) {
	clock := localtest.NewClock()
	w := &written{Table: localtest.Bolt(t, clock), keys: map[table.Key]bool{}}
	world := localtest.On(t, w, clock)
	admin := world.Administrator("acme", "alice@acme.example")
	own := func(n int) map[table.Key]bool {
		email := fmt.Sprintf("%c%d@acme.example", 'b'+n, n)
		var p *localtest.Person
		keys := w.during(func() {
			admin.Must(200, "POST", importPath, localtest.CSV("email,name,roles\n"+email+",Person "+email+",Technician\n"))
			p = joinByMail(world, email)
			p.SignIn()
			admin.Must(200, "PATCH", userPath(p), map[string]any{"name": "Another " + email, "roles": []string{access.Auditor}})
			admin.Must(200, "PATCH", userPath(p), map[string]any{"active": false})
			admin.Must(204, "DELETE", userPath(p), nil)
			world.Tick() // letters that wait
		})
		for key := range keys {
			if strings.HasPrefix(key.Partition, "user#"+admin.ID) || strings.HasPrefix(key.Partition, "attempts#") && !strings.HasPrefix(key.Sort, "count") {
				delete(keys, key) // the administrator's session, and the one source of this test
			}
		}
		return keys
	}
	first, second := own(0), own(1)
	if len(first) < 15 || len(second) < 15 {
		t.Errorf("only %d and %d items are written", len(first), len(second))
	}
	partitions := map[string]bool{}
	for key := range first {
		if second[key] {
			t.Errorf("%s is written for both", key)
		}
		partitions[key.Partition] = true
	}
	for key := range second {
		if !partitions[key.Partition] {
			continue
		}
		if kind, _, _ := strings.Cut(key.Partition, "#"); kind != "users" && kind != "audit" && kind != "people" {
			t.Errorf("both write to the partition %s", key.Partition)
		}
	}
}
