package phonesystems_test

import (
	"fmt"
	"net/http"
	"testing"

	"portcullis.example/infra/local/localtest"
	"portcullis.example/shared/phonesystem"
	"portcullis.example/shared/phonesystem/profile"
)

// A phone system has so many exceptions at most, and so many paths in all of them.
func TestExceptionsAreBounded(t *testing.T) {
	w := localtest.New(t)
	alice, operator := w.Administrator("acme", "alice@acme.example"), w.Operator()
	for host, c := range map[string]struct{ exceptions, paths int }{
		"many.acme.example": {phonesystem.MaxExceptions, 1},
		"long.acme.example": {1, profile.MaxExcepted},
	} {
		gate := alice.PhoneSystem(host, nil)
		except := func(status, name, paths int) {
			all := make([]string, paths)
			for i := range all {
				all[i] = fmt.Sprintf("/reports/%d/%d", name, i)
			}
			operator.Must(status, "POST", "/v1/exceptions", map[string]any{"phone_system_id": gate.ID, "host": host, "name": fmt.Sprint(name), "reason": "x", "paths": all})
		}
		for i := range c.exceptions {
			except(http.StatusCreated, i, c.paths)
		}
		except(http.StatusConflict, c.exceptions, 1)
	}
}
