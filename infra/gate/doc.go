// Package gate holds what is tested of the gate's configuration with the real
// programs: nginx, Caddy, and the web servers whose reading of a path is
// compared with ours. It guarantees that a test runs the file that an
// administrator gets from the API, but for three places of this machine: the
// folder of the key, the authorities that are trusted, and the portal's
// address. What fetch.sh brings must be there: a missing program fails a test.
package gate
