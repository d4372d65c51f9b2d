package profile

import (
	"strings"
	"unicode/utf8"
)

// maxPath is the longest path in bytes, before decoding.
const maxPath = 4096

// doubt is why a request is Ambiguous; empty: it is not.
type doubt string

const (
	doubtMethod   doubt = "ambiguous: malformed method"
	doubtTunnel   doubt = "ambiguous: method CONNECT" // what goes through it is nobody's to judge
	doubtLength   doubt = "ambiguous: path over 4096 bytes"
	doubtStart    doubt = "ambiguous: path does not begin with a slash"
	doubtSpace    doubt = "ambiguous: space in the path"
	doubtEscape   doubt = "ambiguous: malformed escape"
	doubtSlash    doubt = "ambiguous: encoded slash"
	doubtBack     doubt = "ambiguous: backslash"
	doubtControl  doubt = "ambiguous: control character"
	doubtTwice    doubt = "ambiguous: percent sign after decoding"
	doubtParam    doubt = "ambiguous: semicolon"
	doubtQuery    doubt = "ambiguous: question mark or number sign"
	doubtStream   doubt = "ambiguous: Windows stream name"
	doubtShort    doubt = "ambiguous: Windows short name"
	doubtEmpty    doubt = "ambiguous: empty segment"
	doubtDots     doubt = "ambiguous: segment of dots"
	doubtEnd      doubt = "ambiguous: segment ends in a dot, space or plus"
	doubtBegin    doubt = "ambiguous: segment begins with a space or parenthesis"
	doubtUTF8     doubt = "ambiguous: invalid UTF-8"
	doubtLookLike doubt = "ambiguous: character that may be read as ASCII"
)

// normalise decodes a request line's path once. With a doubt there is no path.
// Nothing is repaired (RFC 3986 section 6.2.2 would remove dot segments): a
// path that needs repair means different things to different programs.
func normalise(raw string) (string, doubt) {
	switch {
	case len(raw) > maxPath:
		return "", doubtLength
	case raw == "" || raw[0] != '/':
		return "", doubtStart
	case strings.IndexByte(raw, ' ') >= 0:
		return "", doubtSpace
	}
	path, d := decode(raw)
	if d == "" {
		d = doubtIn(path)
	}
	if d != "" {
		return "", d
	}
	return path, ""
}

// decode resolves percent escapes (RFC 3986 section 2.1), once. An encoded
// slash is a doubt here, since afterwards it could not be told from a real one.
func decode(raw string) (string, doubt) {
	first := strings.IndexByte(raw, '%')
	if first < 0 {
		return raw, ""
	}
	path := append(make([]byte, 0, len(raw)), raw[:first]...)
	for i := first; i < len(raw); i++ {
		c := raw[i]
		if c == '%' {
			if i+2 >= len(raw) || unhex(raw[i+1]) > 15 || unhex(raw[i+2]) > 15 {
				return "", doubtEscape
			}
			if c = unhex(raw[i+1])<<4 | unhex(raw[i+2]); c == '/' {
				return "", doubtSlash
			}
			i += 2
		}
		path = append(path, c)
	}
	return string(path), ""
}

// unhex is the value of a hexadecimal digit, or 255.
func unhex(c byte) byte {
	switch c = lower(c); {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	}
	return 255
}

// doubtIn looks for what makes a decoded path that begins with a slash mean
// different things to different programs.
func doubtIn(path string) doubt {
	ascii := true
	for i := range len(path) {
		if path[i] >= utf8.RuneSelf {
			ascii = false
		} else if d := doubtAt(path, i); d != "" {
			return d
		}
	}
	for rest, more := path[1:], true; more; {
		var segment string
		segment, rest, more = strings.Cut(rest, "/")
		if d := doubtInSegment(segment, more); d != "" {
			return d
		}
	}
	if ascii {
		return ""
	}
	return doubtInUnicode(path)
}

// doubtAt judges one ASCII byte.
func doubtAt(path string, i int) doubt {
	switch c := path[i]; {
	case c < ' ' || c == 0x7f:
		return doubtControl
	case c == '\\':
		return doubtBack
	case c == '%':
		return doubtTwice
	case c == ';': // path parameters: /admin;x is /admin to servlets
		return doubtParam
	case c == '?' || c == '#':
		return doubtQuery
	case i+1 == len(path):
		return ""
	case c == ':' && path[i+1] == '$': // admin::$INDEX_ALLOCATION is admin to NTFS
		return doubtStream
	case c == '~' && '0' <= path[i+1] && path[i+1] <= '9': // MANAGE~1 may be management
		return doubtShort
	}
	return ""
}

// doubtInSegment judges what some programs strip from a segment's ends, or
// with the whole segment; more tells that another segment follows.
func doubtInSegment(segment string, more bool) doubt {
	if segment == "" {
		if more {
			return doubtEmpty
		}
		return "" // a slash at the end
	}
	if strings.Trim(segment, ".") == "" {
		return doubtDots
	}
	switch segment[len(segment)-1] {
	case '.', ' ', '+': // a plus is a space to form decoders
		return doubtEnd
	}
	switch segment[0] {
	case ' ', '(': // (S(x)) is a session id to ASP.NET, which removes it
		return doubtBegin
	}
	return ""
}
