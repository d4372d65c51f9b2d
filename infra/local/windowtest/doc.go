// Package windowtest holds what is too slow to run for each mutant of the
// domain: histories of many clients checked for linearizability, and the whole
// life of windows against a simple model. It guarantees nothing to anybody: it
// has tests alone.
package windowtest
