package extension_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"portcullis.example/shared/input"
	"portcullis.example/shared/phonesystem/extension"
)

// What a cell of v20 or the columns of v18 give.
func TestAccess(t *testing.T) {
	for _, c := range []struct{ column, cell, want string }{
		{"Role", `<role name="system_owners" />`, "system_owners"}, {"Role", `<role name='system_admins'/>`, "system_admins"},
		{"Role", `<roles><role name="users" /><role name="group_owners" group="7" /></roles>`, "group_owners"},
		{"Role", `<role group="7" name="managers"></role>`, "managers"}, {"Role", `<role name="users" />`, ""}, {"Role", "users", ""}, {"Role", "Users", ""},
		{"Role", "receptionists", ""}, {"Role", "group_admins", "group_admins"}, {"Role", "users,system_owners", "system_owners"}, {"Role", "", ""},
		{"Role", "users|System Administrator", "System Administrator"}, {"Role", "root", "root"},
		{"Role", "<role/>", "an unreadable role"}, {"Role", "<x>", "an unreadable role"}, {"Role", "<role name=", "an unreadable role"}, {"Role", "<role name=\"", "an unreadable role"},
		{"ManagementAccess", "1", "ManagementAccess"}, {"ManagementAccess", "true", "ManagementAccess"}, {"ManagementAccess", "2", "ManagementAccess"}, {"ManagementAccess", "?", "ManagementAccess"},
		{"ManagementAccess", "0", ""}, {"ManagementAccess", "False", ""}, {"ManagementAccess", "", ""},
	} {
		all, err := extension.Read(fmt.Appendf(nil, "Number,%s\n100,\"%s\"\n", c.column, strings.ReplaceAll(c.cell, `"`, `""`)))
		if err != nil {
			t.Errorf("%s %q: %v", c.column, c.cell, err)
			continue
		}
		e := all[0]
		if e.Admin != (c.want != "") || e.Access != c.want {
			t.Errorf("%s %q: %v, %q", c.column, c.cell, e.Admin, e.Access)
		}
	}
}

// Whatever is sent: a list of what is in it, in bounds, or a refusal.
func FuzzRead(f *testing.F) {
	for _, file := range []string{
		"Number,FirstName,LastName,EmailAddress,Role,Disabled\n100,A,B,a@x.example,\"<role name=\"\"users\"\" />\",0\n", "Number;ManagementAccess;SysAdmin\r\n100;1;0\r\n101;;\r\n",
		"Number,Role\n1,<role name=\n", "Number\n1\n", "Number,Role\n1\n",
	} {
		f.Add([]byte(file))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		all, err := extension.Read(file)
		var invalid *input.Error
		if err != nil {
			if !errors.As(err, &invalid) || all != nil {
				t.Fatalf("%v, %v", all, err)
			}
			return
		}
		for _, e := range all {
			for _, text := range []string{e.Number, e.Name, e.Email, e.Access} {
				if len(text) > 200 || !utf8.ValidString(text) {
					t.Fatalf("%q", text)
				}
			}
			if e.Admin && (e.Access == "" || e.Disabled || e.Wrong != "") || e.Line < 2 {
				t.Fatalf("%+v", e)
			}
		}
	})
}
