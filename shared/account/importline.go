package account

import (
	"fmt"
	"slices"
	"strings"

	"portcullis.example/shared/access"
	"portcullis.example/shared/bulk"
)

// ImportLine is one line of a list of people, as it is written there.
type ImportLine struct {
	// Line is where it stands.
	Line int
	// Wrong says why it can't be read; empty: it can.
	Wrong                             string
	Email, Name, Administrator, Roles string
}

// RoleSeparator is what stands between the roles of one line.
const RoleSeparator = ";"

// person is a line as it was understood.
type person struct {
	Person
	line int
	// wrong says why nobody is invited by it, whoever asks.
	wrong string
}

// readPeople understands lines.
func readPeople(lines []ImportLine, roles roleNames) []person {
	people, first := make([]person, len(lines)), map[string]int{}
	for i, line := range lines {
		p := readPerson(line, roles)
		if at, twice := first[p.Email]; twice && p.wrong == "" {
			p.wrong = fmt.Sprintf("line %d has the same address: leave one of them out", at)
		} else if !twice {
			first[p.Email] = line.Line
		}
		people[i] = p
	}
	return people
}

func readPerson(line ImportLine, roles roleNames) person {
	p := person{line: line.Line, wrong: line.Wrong}
	if p.wrong != "" {
		return p
	}
	email, err := CheckEmail(line.Email)
	if err != nil {
		p.wrong = "email: " + err.Error()
		return p
	}
	p.Email, p.Name = email, line.Name
	administrator, known := answers()[strings.ToLower(line.Administrator)]
	if p.Administrator = administrator; !known {
		p.wrong = "administrator: must be yes or no; empty is no"
		return p
	}
	if p.Roles, p.wrong = roles.read(line.Roles); p.wrong != "" {
		return p
	}
	if p.Person, err = p.normalise(); err != nil {
		p.wrong = bulk.Reason(err)
	}
	return p
}

// answers are what spreadsheets have for yes and no.
func answers() map[string]bool {
	return map[string]bool{
		"": false, "no": false, "false": false, "0": false, "nein": false, "falsch": false,
		"yes": true, "true": true, "1": true, "ja": true, "wahr": true,
	}
}

func (r roleNames) read(cell string) (ids []string, wrong string) {
	for name := range strings.SplitSeq(cell, RoleSeparator) {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		id, known := r.named[searched(name)]
		if r.ids[name] {
			id = name
		}
		switch {
		case id != "":
			ids = append(ids, id)
		case known:
			return nil, "roles: names a role whose name several of yours have; write its id instead"
		default:
			return nil, "roles: names a role that you do not have; write names or ids of yours, with semicolons between them"
		}
	}
	return ids, ""
}

// judge is what becomes of a line, as somebody would send it now.
func (p person) judge(caller access.Caller, met around) bulk.Result {
	if p.wrong != "" {
		return bulk.Result{Outcome: bulk.Refused, Message: p.wrong}
	}
	if there, ok := met.listed[p.Email]; ok {
		return p.beside(there)
	}
	var roles []access.Role
	for _, id := range p.Roles {
		role, there := met.roles[id]
		if !there {
			return bulk.Result{Outcome: bulk.Refused, Message: "roles: names a role that has just been removed"}
		}
		roles = append(roles, role)
	}
	if err := caller.MayGrant(p.Administrator, roles); err != nil {
		return bulk.Result{Outcome: bulk.Refused, Message: err.Error()}
	}
	return bulk.Result{Outcome: bulk.Created}
}

// beside is a line whose address the partner has already: it changes nothing.
func (p person) beside(there User) bulk.Result {
	r := bulk.Result{Outcome: bulk.Unchanged, ID: there.ID}
	var notes []string
	if there.JoinedAt.IsZero() {
		r.Outcome = bulk.Invited
		notes = append(notes, "invited on "+there.InvitedAt.Format("2006-01-02")+" and not accepted yet; an invitation that has ended can be sent again")
	}
	if !there.Active {
		notes = append(notes, "this user is not active")
	}
	if there.Administrator != p.Administrator || !slices.Equal(there.Roles, p.Roles) {
		notes = append(notes, "this user has other rights than the line says; an import changes nobody who is there")
	}
	r.Message = strings.Join(notes, "; ")
	return r
}
