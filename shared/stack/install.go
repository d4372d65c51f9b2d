package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-lambda-go/cfn"
)

// Installer is who acts for whoever holds the stack.
type Installer interface {
	// Invite invites the first operator and says what became of it.
	Invite(ctx context.Context, email string) (outcome string, err error)
	// Recover answers the link by which an operator begins anew.
	Recover(ctx context.Context, email string) (link string, err error)
}

// Ask is what the installer is invoked with by hand.
type Ask struct {
	// Action is "invite" or "recover".
	Action string `json:"action"`
	Email  string `json:"email"`
}

// Told is the answer to an Ask.
type Told struct {
	Outcome string `json:"outcome,omitempty"`
	Link    string `json:"link,omitempty"`
}

// ErrAsk says that an event is neither CloudFormation's nor an Ask.
var ErrAsk = errors.New(`stack: ask with {"action":"invite"|"recover","email":"…"}`)

// Install is the handler of the installer: CloudFormation's custom resource,
// whose property OperatorEmail is invited and whose attribute Outcome says what
// became of it, and an Ask by hand. Removing the resource does nothing.
func Install(i Installer) func(context.Context, json.RawMessage) (any, error) {
	resource := cfn.LambdaWrap(func(ctx context.Context, event cfn.Event) (string, map[string]any, error) {
		const id = "first-operator" // another one would have the old removed
		if event.RequestType == cfn.RequestDelete {
			return id, nil, nil
		}
		email, ok := event.ResourceProperties["OperatorEmail"].(string)
		if !ok {
			return id, nil, errors.New("the property OperatorEmail is missing")
		}
		outcome, err := i.Invite(ctx, email)
		return id, map[string]any{"Outcome": outcome}, err
	})
	return func(ctx context.Context, raw json.RawMessage) (any, error) {
		var event cfn.Event
		if err := json.Unmarshal(raw, &event); err == nil && event.RequestType != "" {
			return resource(ctx, event)
		}
		var ask Ask
		if err := json.Unmarshal(raw, &ask); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrAsk, err)
		}
		return answer(ctx, i, ask)
	}
}

func answer(ctx context.Context, i Installer, ask Ask) (told Told, err error) {
	switch ask.Action {
	case "invite":
		told.Outcome, err = i.Invite(ctx, ask.Email)
	case "recover":
		told.Link, err = i.Recover(ctx, ask.Email)
	default:
		err = ErrAsk
	}
	return told, err
}
