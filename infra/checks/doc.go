// Package checks holds what no compiler holds: the import rules of DESIGN.md
// section 3 and the house style. It guarantees that every rule can fail: each
// one is run against a small tree that breaks it before it judges this one.
//
// It reads sources and runs nothing of ours, so that it works on a tree that
// does not build. There is nothing to import here; see the tests.
package checks
