package portal

import "bytes"

// lean is a script as it travels: without the lines that are nothing but comments,
// and without indentation. Lines stay lines, so that an error's line number is that
// of the source. A text that goes over several lines would lose its own spaces: a
// test holds that there is none.
func lean(script []byte) []byte {
	var out bytes.Buffer
	within := false // a comment of several lines
	for line := range bytes.Lines(script) {
		text := bytes.TrimSpace(line)
		switch {
		case within || bytes.HasPrefix(text, []byte("/**")):
			within = !bytes.HasSuffix(text, []byte("*/"))
		case !bytes.HasPrefix(text, []byte("//")):
			out.Write(text)
		}
		out.WriteByte('\n')
	}
	return out.Bytes()
}
