package doctor

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// installed compares the file that the proxy reads with the one that the
// control portal gives.
func (e *examination) installed() Check {
	c := Check{Name: "Is the gate's configuration installed unchanged?"}
	if e.Installed == "" || e.Generated == "" {
		c.Outcome, c.Found = Unknown, "the installed file and the control portal's were not both given"
		c.Advice = "On the gate's machine, name both: -installed, and -generated as fetched just now from the control portal (gate-config)."
		return c
	}
	var texts [2]string
	for i, name := range []string{e.Installed, e.Generated} {
		text, err := os.ReadFile(name)
		if err != nil {
			c.Outcome, c.Found, c.Advice = Unknown, err.Error(), "Run this as a user that may read both files, such as root."
			return c
		}
		texts[i] = string(text)
	}
	lost, added := difference(statements(texts[1]), statements(texts[0]))
	if len(lost)+len(added) == 0 {
		c.Outcome, c.Found = OK, "yes: it overwrites what clients claim, asks about what is restricted and strips Portcullis' cookies as the control portal has it"
		return c
	}
	c.Outcome, c.Found = Failed, "no: "+strings.Join(slices.Concat(some("it lacks", lost), some("it has besides", added)), "; ")
	c.Advice = "Install the control portal's file unchanged; what is yours stands in files beside it. If only patterns differ, the profile or the restricted paths have changed since it was fetched."
	return c
}

// statements are a configuration's lines without comments and indents.
func statements(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			all = append(all, line)
		}
	}
	return all
}

// difference is what one list has that the other lacks, both ways; where nothing
// is, the order differs.
func difference(want, got []string) (lost, added []string) {
	if slices.Equal(want, got) {
		return nil, nil
	}
	without := func(all, less []string) (left []string) {
		count := map[string]int{}
		for _, line := range less {
			count[line]++
		}
		for _, line := range all {
			if count[line]--; count[line] < 0 {
				left = append(left, line)
			}
		}
		return left
	}
	if lost, added = without(want, got), without(got, want); len(lost)+len(added) == 0 {
		lost = []string{"the order of its lines"}
	}
	return lost, added
}

// shown is how many lines are quoted.
const shown = 5

func some(what string, lines []string) []string {
	if len(lines) == 0 {
		return nil
	}
	more := ""
	if len(lines) > shown {
		more = fmt.Sprintf(" and %d more", len(lines)-shown)
	}
	return []string{fmt.Sprintf("%s %q%s", what, lines[:min(shown, len(lines))], more)}
}

// keyFile finds where a configuration reads the gate key from.
const keyFile = `(?m)^(?:include|import) +(\S*/gate-key\.(?:nginx|caddy));?$`

// key looks whether others may read the gate key.
func (e *examination) key() Check {
	c := Check{Name: "Does the gate key stand in a file that nobody else reads?"}
	if e.Installed == "" {
		c.Outcome, c.Found, c.Advice = Unknown, "the installed file was not given", "On the gate's machine, name it with -installed."
		return c
	}
	text, err := os.ReadFile(e.Installed)
	if err != nil {
		c.Outcome, c.Found, c.Advice = Unknown, err.Error(), "Run this as a user that may read it, such as root."
		return c
	}
	lines := strings.Join(statements(string(text)), "\n")
	found := regexp.MustCompile(keyFile).FindStringSubmatch(lines)
	if found == nil || strings.Contains(lines, "Bearer ") {
		c.Outcome, c.Found, c.Advice = Failed, "the installed file does not read the key from a file of its own", "Install the control portal's file unchanged."
		return c
	}
	name := found[1]
	switch info, err := os.Stat(name); {
	case errors.Is(err, fs.ErrNotExist):
		c.Outcome, c.Found, c.Advice = Failed, name+" is not there", keyAdvice
	case err != nil:
		c.Outcome, c.Found, c.Advice = Unknown, err.Error(), "Run this as a user that may look there, such as root."
	case info.Mode().Perm()&0o077 != 0:
		c.Outcome, c.Found = Failed, fmt.Sprintf("%s has mode %04o: others of this machine may read it", name, info.Mode().Perm())
		c.Advice = "chmod 600 " + name + ", and make a new gate key in the control portal if anybody else has been on this machine."
	default:
		c.Outcome, c.Found = OK, fmt.Sprintf("yes: %s has mode %04o in %s", name, info.Mode().Perm(), filepath.Dir(name))
	}
	return c
}

// addressName is the question of whom the phone system believes it talks to.
const addressName = "Does the phone system see the true address of clients?"

// address leaves a marker in the phone system's log, and looks who it came from.
func (e *examination) address(ctx context.Context) Check {
	c := Check{Name: addressName}
	if e.unrestricted == "" {
		c.Outcome, c.Found = Unknown, "the profile "+e.Profile+" lets nothing through without a window, so that no request can be followed"
		c.Advice = "Open a window, ask for any page, and look into the phone system's access log for your own address."
		return c
	}
	random := make([]byte, 8)
	if _, err := io.ReadFull(e.Random, random); err != nil {
		c.Outcome, c.Found = Unknown, err.Error()
		return c
	}
	marker := "portcullis-doctor-" + hex.EncodeToString(random)
	if _, err := e.through(ctx, strings.TrimSuffix(e.unrestricted, "portcullis-doctor")+marker, nil); err != nil {
		c.Outcome, c.Found, c.Advice = Unknown, fmt.Sprintf("the gate did not answer: %v", err), seeAbove
		return c
	}
	if e.AccessLog == "" {
		c.Outcome, c.Found = Unknown, "the phone system's access log was not given"
		c.Advice = fmt.Sprintf("On the phone system: gate doctor -access-log FILE -client %v -marker %s", e.expected(), marker)
		return c
	}
	return e.logged(ctx, marker)
}

// expected is who the phone system should see.
func (e *examination) expected() string {
	switch {
	case e.Client != "":
		return e.Client
	case e.From.IsValid():
		return e.From.String()
	}
	return e.client.String()
}

// logged looks for a marker in the phone system's log.
func (e *examination) logged(ctx context.Context, marker string) Check {
	c := Check{Name: addressName}
	line, err := e.awaitLine(ctx, marker)
	seen, _, _ := strings.Cut(strings.TrimSpace(line), " ")
	address, bad := netip.ParseAddr(strings.Trim(seen, "[]"))
	want, unknown := netip.ParseAddr(e.expected())
	switch {
	case err != nil:
		c.Outcome, c.Found, c.Advice = Unknown, err.Error(), "Run this as a user that may read the log, such as root."
	case line == "":
		c.Outcome, c.Found = Unknown, "no request for "+marker+" stands in "+e.AccessLog
		c.Advice = "See whether this is the log of the web server that the gate hands requests to, and whether it writes at once."
	case bad != nil:
		c.Outcome, c.Found, c.Advice = Unknown, fmt.Sprintf("the log does not begin with an address: %.80q", line), "Name a log in the common or combined format."
	case unknown != nil || want.Unmap() != address.Unmap():
		c.Outcome, c.Found = Failed, fmt.Sprintf("no: it was asked from %s and saw %v", e.expected(), address)
		c.Advice = "If that is the gate's own address, have the phone system's web server take X-Forwarded-For from the gate (nginx: set_real_ip_from, real_ip_header); until then one stranger's wrong passwords block everybody. " +
			"If it is this machine's public address, all is well: say so with -client."
	default:
		c.Outcome, c.Found = OK, fmt.Sprintf("yes: %v", address)
	}
	return c
}

// lookEvery is how often a log is read anew.
const lookEvery = 100 * time.Millisecond

// awaitLine finds the line that holds a marker; empty where none comes in time.
func (e *examination) awaitLine(ctx context.Context, marker string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, e.Wait)
	defer cancel()
	looks := time.NewTicker(lookEvery)
	defer looks.Stop()
	for {
		line, err := lineWith(e.AccessLog, marker)
		if err != nil || line != "" {
			return line, err
		}
		select {
		case <-looks.C:
		case <-ctx.Done():
			return "", nil
		}
	}
}

// tail is how much of a log's end is read.
const tail = 4 << 20

func lineWith(name, marker string) (string, error) {
	file, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer file.Close()
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return "", err
	}
	text := make([]byte, min(size, tail))
	if _, err := file.ReadAt(text, size-int64(len(text))); err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, marker) {
			return line, nil
		}
	}
	return "", nil
}
