package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"portcullis.example/shared/input"
)

// takesBody tells whether a handler's input has a place for a body.
func takesBody(in reflect.Type) bool {
	_, body := in.FieldByName("Body")
	_, raw := in.FieldByName("RawBody")
	return body || raw
}

// bodiless holds calls that take no body to what all others are held to: without
// it huma would leave whatever is sent unread, fields that mean nothing and any
// number of bytes. An object without fields says nothing, and passes.
func (a *API) bodiless(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	err := emptyBody(w, r)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		a.Problem(w, r, http.StatusRequestEntityTooLarge, Invalid, tooLargeFor(tooLarge.Limit))
	case err != nil:
		a.fail(r.Context(), err).Write(w)
	default:
		next(ctx)
	}
}

func tooLargeFor(limit int64) string {
	return fmt.Sprintf("the body is over %d bytes, which is the most that is taken here", limit)
}

// bodyWithin is how long a body may take to come: as long as huma gives those
// that it reads. Who is asking has been judged by then, and whoever sends one
// byte a second would act a minute later on rights that have ended meanwhile.
const bodyWithin = 5 * time.Second

func emptyBody(w http.ResponseWriter, r *http.Request) error {
	if r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	// What has no deadlines, as a function's event, has come whole.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyWithin))
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) || err == nil && len(data) == 0 {
		return err
	}
	var fields map[string]json.RawMessage
	if err != nil || !wellFormed(data) || json.Unmarshal(data, &fields) != nil {
		return input.Invalid("body", "this call takes no body; leave it out")
	}
	var e input.Errors
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		e.Require(false, "body."+name, "unexpected property")
	}
	return e.Err()
}
