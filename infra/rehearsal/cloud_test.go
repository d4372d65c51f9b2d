//go:build rehearsal

package rehearsal

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	"crypto/rand"

	"portcullis.example/shared/table/dynamo/dynamotest"
)

const (
	region    = "eu-central-1"
	accountID = "123456789012"
	keyARN    = "arn:aws:kms:" + region + ":" + accountID + ":key/rehearsal"
)

// call is one request of a function to AWS, as a policy sees it.
type call struct {
	function string
	action   string   // dynamodb:GetItem
	resource string   // table, table/index/due, key, mail, *
	values   []string // leading keys, the id that is sealed for, the sender
}

// cloud is AWS as far as the functions ask it: DynamoDB Local behind a proxy,
// and stand-ins for KMS and SES. Who asks is told by the access key. It records
// every call.
type cloud struct {
	*httptest.Server
	dynamodb http.Handler

	mu      sync.Mutex
	calls   []call
	unknown []string
	keys    map[string]dataKey
	mails   []sentMail
	sandbox bool
	outage  outage
	refused string // an address that mail does not reach
}

// outage is how the table fails.
type outage int

const (
	none outage = iota
	throttled
	silent // it takes requests and never answers
)

type dataKey struct {
	plain   []byte
	context map[string]string
}

type sentMail struct{ to, subject, text string }

func newCloud() (*cloud, error) {
	engine, err := url.Parse(dynamotest.Endpoint())
	if err != nil {
		return nil, err
	}
	c := &cloud{keys: map[string]dataKey{}}
	c.dynamodb = &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(engine)
		// The engine keeps a world of its own for each access key.
		r.Out.Header.Set("Authorization", credential.ReplaceAllString(r.In.Header.Get("Authorization"), "Credential=local/"))
	}}
	c.Server = httptest.NewServer(c)
	return c, nil
}

var credential = regexp.MustCompile(`Credential=([^/]+)/`)

// ServeHTTP answers for whichever service is asked.
func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	who := credential.FindStringSubmatch(r.Header.Get("Authorization"))
	body, err := io.ReadAll(r.Body)
	if err != nil || len(who) != 2 {
		http.Error(w, "unsigned", http.StatusForbidden)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	target := r.Header.Get("X-Amz-Target")
	service, operation, _ := strings.Cut(target, ".")
	switch {
	case strings.HasPrefix(service, "DynamoDB"):
		c.askDynamoDB(w, r, who[1], operation, body)
	case service == "TrentService":
		c.askKMS(w, who[1], operation, body)
	case r.Method+" "+r.URL.Path == "POST /v2/email/outbound-emails":
		c.sendMail(w, who[1], body)
	case r.Method+" "+r.URL.Path == "GET /v2/email/account":
		c.note(call{function: who[1], action: "ses:GetAccount", resource: "*"})
		c.mu.Lock()
		defer c.mu.Unlock()
		_, _ = fmt.Fprintf(w, `{"ProductionAccessEnabled":%t}`, !c.sandbox)
	default:
		c.mu.Lock()
		c.unknown = append(c.unknown, who[1]+" asks "+r.Method+" "+r.URL.Path+" "+target)
		c.mu.Unlock()
		http.Error(w, "not here", http.StatusNotImplemented)
	}
}

func (c *cloud) note(calls ...call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, calls...)
}

func (c *cloud) askDynamoDB(w http.ResponseWriter, r *http.Request, who, operation string, body []byte) {
	calls, err := dynamoCalls(who, operation, body)
	c.mu.Lock()
	c.calls = append(c.calls, calls...)
	if err != nil {
		c.unknown = append(c.unknown, fmt.Sprintf("%s: %s: %v", who, operation, err))
	}
	failing := c.outage
	c.mu.Unlock()
	switch failing {
	case silent:
		<-r.Context().Done()
		return
	case throttled:
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"throttled"}`)
		return
	case none:
		c.dynamodb.ServeHTTP(w, r)
	}
}

var errUnread = errors.New("no policy would know this request")

// dynamoCalls reads what a policy judges of a request: the leading keys.
func dynamoCalls(who, operation string, body []byte) ([]call, error) {
	type attribute struct{ S string }
	type one struct {
		Key, Item map[string]attribute
	}
	var in struct {
		one
		IndexName                 string
		KeyConditionExpression    string
		ExpressionAttributeValues map[string]json.RawMessage
		RequestItems              map[string]struct{ Keys []map[string]attribute }
		TransactItems             []map[string]one
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	made := func(action, resource string, keys ...string) call {
		return call{function: who, action: "dynamodb:" + action, resource: resource, values: keys}
	}
	leading := func(o one) string {
		if o.Key != nil {
			return o.Key["partition"].S
		}
		return o.Item["partition"].S
	}
	switch operation {
	case "GetItem", "PutItem", "UpdateItem", "DeleteItem":
		return []call{made(operation, "table", leading(in.one))}, nil
	case "BatchGetItem":
		var keys []string
		for _, asked := range in.RequestItems {
			for _, key := range asked.Keys {
				keys = append(keys, key["partition"].S)
			}
		}
		return []call{made(operation, "table", keys...)}, nil
	case "Query":
		return query(in.IndexName, in.ExpressionAttributeValues, made)
	case "TransactWriteItems":
		names := map[string]string{"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
		var calls []call
		for _, item := range in.TransactItems {
			for kind, o := range item {
				calls = append(calls, made(names[kind], "table", leading(o)))
			}
		}
		return calls, nil
	}
	return nil, errUnread
}

func query(index string, values map[string]json.RawMessage, made func(action, resource string, keys ...string) call) ([]call, error) {
	name, resource := ":p", "table"
	if index != "" {
		name, resource = ":k", "table/index/"+index
	}
	var key struct{ S string }
	if err := json.Unmarshal(values[name], &key); err != nil {
		return nil, err
	}
	return []call{made("Query", resource, key.S)}, nil
}

// askKMS makes and gives back data keys, with the context they were made with.
func (c *cloud) askKMS(w http.ResponseWriter, who, operation string, body []byte) {
	var in struct {
		KeyId             string
		EncryptionContext map[string]string
		CiphertextBlob    []byte
	}
	if err := json.Unmarshal(body, &in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.note(call{function: who, action: "kms:" + operation, resource: "key", values: []string{in.EncryptionContext["bound"]}})
	c.mu.Lock()
	defer c.mu.Unlock()
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	out := map[string]any{"KeyId": keyARN}
	switch made, ok := c.keys[string(in.CiphertextBlob)]; {
	case in.KeyId != keyARN:
		refuse(w, "NotFoundException")
		return
	case operation == "GenerateDataKey":
		plain := make([]byte, 32)
		_, _ = rand.Read(plain) // never fails
		name := rand.Text()
		c.keys[name] = dataKey{plain, in.EncryptionContext}
		out["Plaintext"], out["CiphertextBlob"] = base64.StdEncoding.EncodeToString(plain), base64.StdEncoding.EncodeToString([]byte(name))
	case ok && maps.Equal(made.context, in.EncryptionContext):
		out["Plaintext"] = base64.StdEncoding.EncodeToString(made.plain)
	default:
		refuse(w, "InvalidCiphertextException")
		return
	}
	_ = json.NewEncoder(w).Encode(out)
}

func refuse(w http.ResponseWriter, kind string) {
	w.WriteHeader(http.StatusBadRequest)
	_, _ = fmt.Fprintf(w, `{"__type":%q,"message":"refused"}`, kind)
}

func (c *cloud) sendMail(w http.ResponseWriter, who string, body []byte) {
	type content struct{ Data string }
	var in struct {
		FromEmailAddress string
		Destination      struct{ ToAddresses []string }
		Content          struct {
			Simple struct {
				Subject content
				Body    struct{ Text content }
			}
		}
	}
	if err := json.Unmarshal(body, &in); err != nil || len(in.Destination.ToAddresses) != 1 {
		http.Error(w, "unreadable", http.StatusBadRequest)
		return
	}
	c.note(call{function: who, action: "ses:SendEmail", resource: "mail", values: []string{in.FromEmailAddress}})
	c.mu.Lock()
	defer c.mu.Unlock()
	if in.Destination.ToAddresses[0] == c.refused {
		w.Header().Set("X-Amzn-Errortype", "MessageRejected")
		refuse(w, "MessageRejected")
		return
	}
	c.mails = append(c.mails, sentMail{in.Destination.ToAddresses[0], in.Content.Simple.Subject.Data, in.Content.Simple.Body.Text.Data})
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"MessageId":"rehearsal"}`)
}

// refuseMail has mail to one address refused; empty: to none.
func (c *cloud) refuseMail(address string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused = address
}

// fail has the table fail, or ends that.
func (c *cloud) fail(how outage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.outage = how
}

// mailTo is the newest mail to an address.
func (c *cloud) mailTo(address string) (sentMail, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range slices.Backward(c.mails) {
		if m.to == address {
			return m, true
		}
	}
	return sentMail{}, false
}
