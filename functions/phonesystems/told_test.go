package phonesystems_test

import (
	"slices"
	"strings"
	"testing"
)

// All administrators are told by mail, and the audit says, what may open more of a
// phone system than before: a widened policy, another profile, another host, a
// gate key replaced; and of nothing less.
func TestAdministratorsAreToldOfWhatOpensMoreOfAPhoneSystem(t *testing.T) {
	w, alice := world(t)
	gate := alice.PhoneSystem("pbx.acme.example", nil)
	at := path + "/" + gate.ID
	patch := func(body map[string]any) func() { return func() { alice.Must(200, "PATCH", at, body) } }
	for _, c := range []struct {
		name string
		do   func()
		want string
	}{
		{"another name", patch(map[string]any{"name": "Head office", "customer": "Bolt Ltd"}), ""},
		{"a further restricted path", patch(map[string]any{"restricted_paths": []string{"/reports"}}), ""},
		{"a shorter longest window", patch(policy("max_seconds", 7200)), ""},
		{"a longer one", patch(policy("max_seconds", 7201)), "The unlock policy of Head office was widened"},
		{"a further extension", patch(policy("max_extensions", 3)), "The unlock policy of Head office was widened"},
		{"a stricter binding", patch(policy("binding", "pass+ip")), ""},
		{"a looser one", patch(policy("binding", "ip")), "The unlock policy of Head office was widened"},
		{"no reason", patch(policy("reason", "optional")), "The unlock policy of Head office was widened"},
		{"a reason", patch(policy("reason", "required")), ""},
		{"a cache", patch(policy("decision_cache_seconds", 1)), "The unlock policy of Head office was widened"},
		{"another profile", patch(map[string]any{"profile": "3cx-v18"}), "The profile of Head office was changed from 3cx-v20 to 3cx-v18"},
		{"a gate key replaced", func() { alice.Must(200, "POST", at+"/gate-key", nil) }, "The gate key of Head office was replaced"},
		{"another host", patch(map[string]any{"host": "new.acme.example"}), "The host of Head office was changed from pbx.acme.example to new.acme.example"},
	} {
		w.Tick()
		before := len(w.Mail.To(alice.Email))
		c.do()
		w.Tick()
		told := []string{}
		for _, letter := range w.Mail.To(alice.Email)[before:] {
			told = append(told, letter.Subject)
			if !strings.Contains(letter.Text, alice.Email) {
				t.Errorf("%s: the letter does not say who did it: %s", c.name, letter.Text)
			}
		}
		if want := strings.Fields(c.want); len(told) != min(1, len(want)) || len(told) == 1 && !slices.Equal(strings.Fields(told[0]), want) {
			t.Errorf("%s: told %q, want %q", c.name, told, c.want)
		}
	}
}
