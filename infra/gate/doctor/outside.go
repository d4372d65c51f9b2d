package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// gate looks whether the gate is there at all.
func (e *examination) gate(ctx context.Context) Check {
	c := Check{Name: "Does the gate answer?"}
	r, err := e.through(ctx, "/.portcullis/notice", nil)
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &certificate):
		c.Outcome, c.Found = Failed, fmt.Sprintf("its certificate is not to be believed: %v", certificate.Err)
		c.Advice = "Give the gate a certificate for this host name, such as Let's Encrypt's; or, if an authority of your own signed it, name that one with -ca."
	case err != nil:
		c.Outcome, c.Found = Failed, fmt.Sprintf("no: %v", err)
		c.Advice = "See whether the host name leads to the gate (or name its address with -gate), whether the proxy runs, and what its error log says."
	case r.isUnsure():
		c.Outcome, c.Found = Failed, "the gate answers, but Portcullis does not answer the gate"
		c.Advice = "See whether the control portal can be reached from the gate's machine, and what the proxy's error log says of it."
	case r.isKeyRefused():
		c.Outcome, c.Found, c.Advice = Failed, "Portcullis does not know the gate's key", keyAdvice
	case r.code != "bad_attempt" && !strings.Contains(r.body, "Bad attempt"):
		c.Outcome, c.Found = Failed, fmt.Sprintf("something answers with status %d, but it is no gate of Portcullis'", r.status)
		c.Advice = "The host name must lead to the proxy that has the gate's configuration installed: look at the DNS and at which of the proxy's sites answers for this name."
	default:
		c.Outcome, c.Found = OK, fmt.Sprintf("yes, at %v", r.peer)
	}
	return c
}

const keyAdvice = "Make a new gate key in the control portal, and write it into the gate's key file as the head of the installed file says."

// notice looks whether the console is locked.
func (e *examination) notice(ctx context.Context) Check {
	c := Check{Name: "Does a restricted path without a pass get the notice?"}
	r, err := e.through(ctx, e.restricted, nil)
	switch {
	case err != nil:
		c.Outcome, c.Found, c.Advice = Unknown, fmt.Sprintf("the gate did not answer: %v", err), seeAbove
	case r.isNotice() && !strings.Contains(r.detail, e.Portal):
		c.Outcome, c.Found = Failed, "yes, but the notice does not lead to "+e.Portal+": "+r.detail
		c.Advice = "The gate asks another Portcullis than you think. Install the configuration of this phone system, from that control portal."
	case r.isNotice():
		c.Outcome, c.Found = OK, r.detail
	case r.isUnsure():
		c.Outcome, c.Found = Failed, "the gate keeps it shut, but because Portcullis does not answer or does not know the gate's key"
		c.Advice = "See whether the control portal can be reached from the gate's machine; if it can: " + keyAdvice
	case r.isKeyRefused():
		c.Outcome, c.Found, c.Advice = Failed, "Portcullis does not know the gate's key", keyAdvice
	default:
		c.Outcome, c.Found = Failed, fmt.Sprintf("no: %s was answered with status %d by the phone system or something else", e.restricted, r.status)
		c.Advice = "The console may be open to anybody with a password. Install the gate's configuration unchanged, and see that no other site of the proxy answers for this host name."
	}
	return c
}

const seeAbove = "See what stands above."

// users looks whether extension users get through.
func (e *examination) users(ctx context.Context) Check {
	c := Check{Name: "Do extension users get through?"}
	if e.unrestricted == "" {
		c.Outcome, c.Found = OK, "the profile "+e.Profile+" has no paths of theirs: everything is asked about"
		return c
	}
	r, err := e.through(ctx, e.unrestricted, nil)
	switch {
	case err != nil:
		c.Outcome, c.Found, c.Advice = Unknown, fmt.Sprintf("the gate did not answer: %v", err), seeAbove
	case r.isNotice():
		c.Outcome, c.Found = Failed, e.unrestricted+" gets the notice"
		c.Advice = "See whether -profile is this phone system's, and whether somebody added a restricted path that covers it."
	case r.status == http.StatusBadGateway || r.status == http.StatusGatewayTimeout || r.isUnsure():
		c.Outcome, c.Found = Failed, fmt.Sprintf("the gate can't reach the phone system: status %d", r.status)
		c.Advice = "Fetch the gate's configuration with the phone system's own address (upstream=…), see that it runs, and that the gate's machine may reach it."
	default:
		c.Outcome, c.Found = OK, fmt.Sprintf("yes: status %d from the phone system", r.status)
	}
	return c
}

// claims are what a client might say so that a gate that listens lets it pass.
func (e *examination) claims() []http.Header {
	open := e.unrestricted
	if open == "" {
		open = "/"
	}
	u := *e.URL
	u.Path = open
	own := http.Header{"Portcullis-Url": {u.String()}, "Portcullis-Method": {http.MethodGet}, "Portcullis-Client": {"203.0.113.77"}, "Portcullis-Decision": {"allow"}}
	all := []http.Header{own, {"Remote-User": {"doctor"}, "Remote-Email": {"doctor@invalid"}, "X-Forwarded-User": {"doctor"}}}
	for _, name := range []string{"X-Original-Url", "X-Original-Uri", "X-Rewrite-Url", "X-Forwarded-Uri"} {
		all = append(all, http.Header{name: {open}})
	}
	for name, values := range own {
		all = append(all, http.Header{name: values}, http.Header{strings.ReplaceAll(name, "-", "_"): values})
	}
	return append(all, http.Header{"X-Forwarded-For": {"127.0.0.1"}, "X-Real-Ip": {"127.0.0.1"}, "Forwarded": {"for=127.0.0.1"}, "X-Forwarded-Host": {"other.invalid"}})
}

// forged looks whether what a client claims of itself changes the answer.
func (e *examination) forged(ctx context.Context) Check {
	c := Check{Name: "Are spoofed headers overwritten?"}
	plain, err := e.through(ctx, e.restricted, nil)
	if err != nil || !plain.isNotice() {
		c.Outcome, c.Found, c.Advice = Unknown, "without the notice there is nothing to compare with", seeAbove
		return c
	}
	for _, header := range e.claims() {
		r, err := e.through(ctx, e.restricted, header)
		if err != nil {
			c.Outcome, c.Found, c.Advice = Unknown, fmt.Sprintf("with %s the gate did not answer: %v", names(header), err), "Try again."
			return c
		}
		if r.isNotice() && r.detail == plain.detail {
			continue
		}
		c.Outcome, c.Found = Failed, fmt.Sprintf("no: with %s of its own a client is answered otherwise (status %d %s)", names(header), r.status, r.detail)
		c.Advice = "The gate hands on what clients claim. Install the gate's configuration unchanged, and see that nothing in front of it adds such headers."
		return c
	}
	c.Outcome, c.Found = OK, fmt.Sprintf("the answer is the same whatever of %d sets of headers a client sends; what the phone system is told stands in the installed file, see below", len(e.claims()))
	return c
}

func names(h http.Header) string {
	var all []string
	for name := range h {
		all = append(all, name)
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// beside looks whether the phone system's own web server can be reached without
// the gate.
func (e *examination) beside(ctx context.Context) Check {
	c := Check{Name: "Is the console reachable beside the gate?"}
	if len(e.PBX) == 0 {
		c.Outcome, c.Found = Unknown, "no address of the phone system itself was given"
		c.Advice = "Name them with -pbx: its public address, and each inner one that this machine may reach."
		return c
	}
	ports := slices.Compact(slices.Sorted(slices.Values(slices.Concat(e.profile.Ports.Numbers, e.Ports))))
	var open, odd, looked []string
	for _, address := range e.PBX {
		for _, port := range ports {
			at := net.JoinHostPort(address, strconv.Itoa(port))
			looked = append(looked, at)
			switch found, what := e.look(ctx, at); found {
			case Failed:
				open = append(open, at+" ("+what+")")
			case Unknown:
				odd = append(odd, at+" ("+what+")")
			}
		}
	}
	switch {
	case len(open) > 0:
		c.Outcome, c.Found = Failed, "yes, at "+strings.Join(open, ", ")
		c.Advice = "Whoever goes there goes round the lock. Close these ports in the firewall for everybody but the gate, or have the phone system listen on 127.0.0.1 alone."
	case len(odd) > 0:
		c.Outcome, c.Found = Unknown, "something answers that is no web server to this machine: "+strings.Join(odd, ", ")
		c.Advice = "Find out what listens there; if it is the phone system, close it for everybody but the gate."
	default:
		c.Outcome, c.Found = OK, "no: nothing but the gate answers at "+strings.Join(looked, ", ")
	}
	return c
}

// look asks one port for the console, with TLS and without.
func (e *examination) look(ctx context.Context, at string) (Outcome, string) {
	what := ""
	for _, scheme := range []string{"https", "http"} {
		u := &url.URL{Scheme: scheme, Host: e.URL.Host, Path: e.restricted}
		r, err := e.web.ask(ctx, question{url: u, at: at, anybody: true})
		switch {
		case errors.Is(err, errShut):
			return OK, ""
		case err != nil:
			what = err.Error()
		case e.isGate(r):
			return OK, ""
		case r.status == http.StatusBadRequest && scheme == "http":
			// A server for https says so.
		default:
			return Failed, fmt.Sprintf("%s, status %d", scheme, r.status)
		}
	}
	return Unknown, what
}

// isGate tells whether a gate answered, or something that leads there.
func (e *examination) isGate(r reply) bool {
	to, err := url.Parse(r.header.Get("Location"))
	leads := err == nil && r.status >= 300 && r.status < 400 && to.Scheme == e.URL.Scheme && to.Host == e.URL.Host
	return leads || r.isNotice() || r.isUnsure() || r.isKeyRefused()
}
