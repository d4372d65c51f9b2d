package gate

import (
	"net/http"
	"sync/atomic"

	"portcullis.example/shared/web"
)

// decidingAtMost is how many decisions one process makes side by side. Beyond
// that a store has become slow or a flood came in, and whoever waits behind so
// many would be answered when the gate has long given up: better no at once,
// which is what a gate makes of a 503, than the same no late.
const decidingAtMost = 64

// room is where decisions are made.
type room struct{ inside atomic.Int64 }

// enter takes a place; ok is false where there is none.
func (r *room) enter() (ok bool) {
	if r.inside.Add(1) > decidingAtMost {
		r.inside.Add(-1)
		return false
	}
	return true
}

func (r *room) leave() { r.inside.Add(-1) }

// shed denies without having looked at anything. Nothing is logged: a flood is
// no reason to write.
func (f Function) shed(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head["Portcullis-Decision"], head["Remote-User"], head["Remote-Email"] = []string{"deny"}, []string{""}, []string{""}
	head["Retry-After"] = []string{"1"}
	if r.URL.RawQuery != "answer=notice" {
		head["Content-Length"] = []string{"0"} // a body would cost nginx its kept-alive connection
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	f.API.Secure(w)
	f.API.Problem(w, r, http.StatusServiceUnavailable, web.Unavailable, "too much is asked at once, so this stays locked for the moment; try again in a second")
}
