package notice

import "fmt"

// Change is what was changed, as its mail says it. One is made by the functions
// below, so that all words stand here; what people wrote themselves never
// becomes a subject.
type Change struct{ subject, what string }

// fewCodes is how many recovery codes are too few to go on without new ones.
const fewCodes = 3

// AuthenticatorAdded is an authenticator enrolled where there was none.
func AuthenticatorAdded() Change {
	return Change{"An authenticator was added to your account", "an authenticator app was set up as the second factor of your account, together with\nrecovery codes."}
}

// AuthenticatorReplaced is another authenticator in place of the old one.
func AuthenticatorReplaced() Change {
	return Change{"The authenticator of your account was replaced", "another authenticator app is now the second factor of your account. The codes of the\nold one are void."}
}

// RecoveryCodesRenewed are new recovery codes in place of the old ones.
func RecoveryCodesRenewed() Change {
	return Change{"Your recovery codes were renewed", "new recovery codes were made for your account. The old ones are void."}
}

// RecoveryCodeUsed is a recovery code spent, and how many are left.
func RecoveryCodeUsed(left int) Change {
	c := Change{"A recovery code of your account was used", "a recovery code was used in place of your authenticator. " + Left(left)}
	if FewLeft(left) {
		c.subject = "A recovery code of your account was used: make new ones"
	}
	return c
}

// FewLeft tells whether so few recovery codes are left that new ones are to be
// made.
func FewLeft(left int) bool { return left < fewCodes }

// Left says how many recovery codes are left, and asks for new ones where they
// are few.
func Left(left int) string {
	says := fmt.Sprintf("%d are left.", left)
	switch left {
	case 0:
		says = "None is left."
	case 1:
		says = "One is left."
	}
	if FewLeft(left) {
		says += "\nMake new ones now, while you are signed in: without your authenticator and without\na recovery code, only an administrator can let you in again."
	}
	return says
}

// PasskeyAdded is a passkey enrolled under a name that its owner gave it.
func PasskeyAdded(name string) Change {
	return Change{"A passkey was added to your account", fmt.Sprintf("a passkey was added to your account, under the name %q.", oneLine(name))}
}

// PasskeyRemoved is a passkey removed.
func PasskeyRemoved(name string) Change {
	return Change{"A passkey was removed from your account", fmt.Sprintf("the passkey with the name %q was removed from your account.", oneLine(name))}
}

// PasskeyCopied is a passkey refused since its signature counter went back.
func PasskeyCopied(name string) Change {
	return Change{"A passkey of your account may have been copied", fmt.Sprintf("the passkey with the name %q was refused.\nIts counter went back, as happens where there is a copy of it.", oneLine(name))}
}

// FactorsReset are all second factors taken away, to be enrolled anew.
func FactorsReset() Change {
	return Change{"Your second factor was reset", "the second factor of your account was reset: your authenticator, passkeys and recovery\ncodes are void and your sessions have ended. Enrolling anew takes your password and a\ncode that the administrator hands to you, never by mail."}
}

// PasswordChanged is a new password chosen by somebody who was signed in.
func PasswordChanged() Change {
	return Change{"Your password was changed", "the password of your account was changed, and your other sessions have ended."}
}

// PasswordReset is a new password chosen with a mailed link.
func PasswordReset() Change {
	return Change{"Your password was reset", "the password of your account was set anew with a link that was mailed to you. All\nsessions and unlock windows have ended; signing in still takes your second factor."}
}
