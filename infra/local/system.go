// Package local is the one-process server: every function on one mux, the
// schedules on a ticker, an embedded store, an outbox folder for mail. It
// guarantees that an acknowledged change survives a crash, that nothing is
// silently made anew where a store or a key has been lost, and that a second
// start goes on where the first ended.
package local

import (
	"bytes"
	"encoding/json"

	"portcullis.example/functions/auditor"
	"portcullis.example/functions/courier"
	"portcullis.example/functions/gate"
	"portcullis.example/functions/login"
	"portcullis.example/functions/phonesystems"
	"portcullis.example/functions/portal"
	"portcullis.example/functions/reports"
	"portcullis.example/functions/unlocks"
	"portcullis.example/functions/users"
	"portcullis.example/shared/gatekeeper"
	"portcullis.example/shared/ground"
	"portcullis.example/shared/web"
)

// System is Portcullis: its API, its scheduled functions, and the services that
// the first start needs.
type System struct {
	*ground.Ground
	API     *web.API
	Auditor auditor.Function
	Courier courier.Function
	Keeper  *gatekeeper.Keeper
}

// New puts a system together and adds every route.
func New(o ground.Options) *System {
	g := ground.New(o)
	s := &System{Ground: g, API: g.API(), Keeper: g.Keeper(), Auditor: auditor.New(g), Courier: courier.New(g)}
	login.New(g, s.API).Routes()
	users.New(g, s.API).Routes()
	phonesystems.New(g, s.API).Routes()
	unlocks.New(g, s.API).Routes()
	gate.New(g, s.API, s.Keeper).Routes()
	reports.New(g, s.API).Routes()
	portal.New(g, s.API).Routes()
	return s
}

// Document is the OpenAPI document of all routes, a line for each part of it.
func (s *System) Document() ([]byte, error) {
	compact, err := s.API.OpenAPI().MarshalJSON()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, compact, "", " "); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}
