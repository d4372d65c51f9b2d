// Package browser has tests alone: they walk the control portal in a real
// browser, Chromium, over TLS, as a person would, with a stand-in phone system
// behind its gate. It guarantees nothing to anybody else.
package browser
