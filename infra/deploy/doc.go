// Package deploy holds what `make verify-deploy` runs beside SAM's own tools. It
// guarantees nothing to anybody: it has scripts and tests alone.
package deploy
