package tabletest

import (
	"context"
	"sync"

	"portcullis.example/shared/table"
)

// Meeting lets something happen just before one Apply: the worst moment for
// whoever has read and is about to write. Safe for concurrent use.
type Meeting struct {
	table.Table

	mu   sync.Mutex
	left int
	do   func()
}

// NewMeeting makes a Meeting in front of a table.
func NewMeeting(under table.Table) *Meeting { return &Meeting{Table: under} }

// Before has do happen before the nth Apply from now, counted from zero, and once;
// do may use the table itself.
func (m *Meeting) Before(nth int, do func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.left, m.do = nth+1, do
}

// Apply lets happen what is to happen first.
func (m *Meeting) Apply(ctx context.Context, writes ...table.Write) error {
	if do := m.due(); do != nil {
		do()
	}
	return m.Table.Apply(ctx, writes...)
}

func (m *Meeting) due() (do func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.left--; m.left == 0 {
		do = m.do
	}
	return do
}
