// Package signintest holds what signing in must repel, on both stores: the embedded
// one and DynamoDB. It guarantees nothing to anybody: it has tests alone.
package signintest
