package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// connection notes the deadlines that it is given.
type connection struct {
	*httptest.ResponseRecorder
	deadlines []time.Time
}

func (c *connection) SetReadDeadline(at time.Time) error {
	c.deadlines = append(c.deadlines, at)
	return nil
}

// Whoever was let in does not choose when to act: a body has as little time where
// none is taken as where one is. A request without one gets no deadline, which
// would end its context.
func TestAttack22BodiesHaveLittleTime(t *testing.T) {
	before := time.Now()
	c := &connection{ResponseRecorder: httptest.NewRecorder()}
	if err := emptyBody(c, httptest.NewRequest(http.MethodDelete, "/v1/unlocks/x", strings.NewReader("{}"))); err != nil {
		t.Error(err)
	}
	if len(c.deadlines) != 1 || c.deadlines[0].Before(before) || c.deadlines[0].After(time.Now().Add(5*time.Second)) {
		t.Errorf("deadlines %v", c.deadlines)
	}
	c = &connection{ResponseRecorder: httptest.NewRecorder()}
	if err := emptyBody(c, httptest.NewRequest(http.MethodDelete, "/v1/unlocks/x", http.NoBody)); err != nil || len(c.deadlines) != 0 {
		t.Errorf("without a body: %v, %v", c.deadlines, err)
	}
}
