package gateconfig

import (
	"fmt"
	"slices"
	"strings"
)

func (f *file) caddy() (string, error) {
	return f.template("Caddyfile", "{{patterns}}", f.caddyPatterns(), "{{strip}}", caddyStrip(), "{{portal}}", f.caddyPortal(), "{{upstream_tls}}", f.caddyUpstream())
}

func (f *file) caddyPatterns() string {
	var all []string
	for _, p := range f.matcher.Patterns() {
		fold, value := "", 1
		if p.FoldCase {
			fold = "(?i)"
		}
		if p.Passes {
			value = 0
		}
		all = append(all, "# "+p.Rule, fmt.Sprintf("`~%s%s` %d", fold, p.Expression, value))
	}
	return lines("\t\t", all)
}

// caddyStrip removes names by their beginnings where nothing else begins so.
func caddyStrip() string {
	var all []string
	for _, start := range []string{"Portcullis", "Remote", "Forwarded", "X-Forwarded", "X-Original", "X-Rewrite", "X-Auth-Request", "X-Remote", "X-Webauth", "X-Real"} {
		for _, spelling := range spellings(start, "-", "_", ".") {
			all = append(all, "request_header -"+spelling+"*")
		}
	}
	for _, name := range []string{"X-Client-Ip", "X-Cluster-Client-Ip", "True-Client-Ip", "Client-Ip"} {
		for _, spelling := range spellings(name, "-", "_", ".") {
			all = append(all, "request_header -"+spelling)
		}
	}
	return lines("\t\t", slices.Compact(all))
}

// caddyPortal is how the portal is asked, within two seconds.
func (f *file) caddyPortal() string {
	all := []string{"header_up Host " + f.portal.Host, "transport http {", "\tdial_timeout 2s", "\tresponse_header_timeout 2s"}
	if f.portal.Scheme == "https" {
		all = append(all, "\ttls_server_name "+f.portal.Hostname(), "\ttls_timeout 2s")
	}
	return lines("\t\t\t", append(all, "}"))
}

func (f *file) caddyUpstream() string {
	if f.upstream.Scheme == "http" {
		return "\t\t\t# Plain http, as asked for: for one machine alone."
	}
	name, _, _ := strings.Cut(f.System.Host, ":")
	all := []string{"transport http {", "\tdial_timeout 5s", "\ttls_server_name " + name}
	if byItself(f.upstream) {
		all = append(all, "\t# On this machine itself nobody stands between.", "\ttls_insecure_skip_verify")
	}
	return lines("\t\t\t", append(all, "}"))
}
