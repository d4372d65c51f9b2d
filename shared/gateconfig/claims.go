package gateconfig

import "strings"

// claims are the headers by which a client could say who or where it is, or
// what it asks for: the gate's to set, or nobody's.
func claims() []string {
	return []string{
		"Portcullis-Method", "Portcullis-Url", "Portcullis-Client", "Portcullis-Config", "Portcullis-Decision", "Portcullis-Reason", "Portcullis-Expires",
		"Remote-User", "Remote-Email", "Remote-Name", "Remote-Groups", "Remote-Addr",
		"Forwarded", "X-Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Server",
		"X-Forwarded-Scheme", "X-Forwarded-Ssl", "X-Forwarded-Prefix", "X-Forwarded-Path", "X-Forwarded-Uri", "X-Forwarded-Method", "X-Forwarded-By",
		"X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Groups", "X-Forwarded-Preferred-Username", "X-Forwarded-Client-Cert",
		"X-Real-Ip", "X-Client-Ip", "X-Cluster-Client-Ip", "True-Client-Ip", "Client-Ip",
		"X-Original-Url", "X-Original-Uri", "X-Original-Host", "X-Original-Method", "X-Rewrite-Url",
		"X-Remote-User", "X-Auth-Request-User", "X-Auth-Request-Email", "X-Webauth-User",
	}
}

// set are the claims that the gate itself makes to the phone system.
func set() []string {
	return []string{"Remote-User", "Remote-Email", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "X-Real-Ip"}
}

// spellings are a header's name with each of its dashes written as one of the
// signs, a dash first: a program that hands headers on as variables makes one of
// - _ and . (CVE-2026-40575). Of names with more than two dashes, only the uniform
// ones.
func spellings(name string, signs ...string) []string {
	parts := strings.Split(name, "-")
	if len(parts) > 3 {
		var all []string
		for _, sign := range signs {
			all = append(all, strings.Join(parts, sign))
		}
		return all
	}
	all := []string{parts[0]}
	for _, part := range parts[1:] {
		var longer []string
		for _, sign := range signs {
			for _, start := range all {
				longer = append(longer, start+sign+part)
			}
		}
		all = longer
	}
	return all
}
