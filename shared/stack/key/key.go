// Package key is the stack's key: a part for the functions that seal. It
// guarantees that nothing is asked of KMS before something is to be sealed.
package key

import (
	awskms "github.com/aws/aws-sdk-go-v2/service/kms"

	"portcullis.example/shared/secrets/kms"
	"portcullis.example/shared/stack"
)

// Part is the key that second factors and letters are sealed with: the KMS key
// named by PORTCULLIS_KEY.
func Part(s *stack.Stack) error {
	id, err := s.Need("PORTCULLIS_KEY")
	if err != nil {
		return err
	}
	at, err := s.At("KMS")
	if err != nil {
		return err
	}
	s.Options.Sealer = kms.Sealer{KeyID: id, Client: awskms.New(awskms.Options{Region: at.Region, BaseEndpoint: at.Endpoint, Credentials: at.Credentials})}
	return nil
}
