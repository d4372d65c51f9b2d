package local_test

import "portcullis.example/infra/local/localtest"

func (l *ledger) exceptions(op *localtest.Person, gate *localtest.Gate) {
	var made localtest.Answer
	l.costs("POST /v1/exceptions", func() {
		made = op.Must(201, "POST", "/v1/exceptions", map[string]any{"phone_system_id": gate.ID, "host": gate.Host, "name": "x", "reason": "x", "paths": []string{"/x"}})
	})
	l.costs("GET /v1/exceptions", func() { op.Must(200, "GET", "/v1/exceptions", nil) })
	l.costs("DELETE /v1/exceptions/{id}", func() { op.Must(204, "DELETE", "/v1/exceptions/"+made.Text("id"), nil) })
}
