package web

import "portcullis.example/shared/bulk"

// Import is what the answer to a list says of the whole of it.
type Import struct {
	DryRun   bool         `json:"dry_run"`
	Complete bool         `json:"complete" doc:"false: some lines are pending; send the same file again"`
	Counts   ImportCounts `json:"counts"`
}

// ImportCounts is how many lines had each outcome.
type ImportCounts struct {
	Created   int `json:"created"`
	Unchanged int `json:"unchanged"`
	Invited   int `json:"invited"`
	Error     int `json:"error"`
	Pending   int `json:"pending"`
}

// ImportOf is what a report comes to.
func ImportOf(r bulk.Report, dry bool) Import {
	return Import{DryRun: dry, Complete: r.Complete(), Counts: ImportCounts{
		Created: r.Count(bulk.Created), Unchanged: r.Count(bulk.Unchanged), Invited: r.Count(bulk.Invited), Error: r.Count(bulk.Refused), Pending: r.Count(bulk.Pending),
	}}
}
