// Package rehearsal runs the functions as they are built for Lambda, without an
// account: behind a stand-in for API Gateway and Lambda, on DynamoDB Local, with
// stand-ins for KMS and SES. It guarantees nothing to anybody: it has tests
// alone. `make rehearse` runs the scenarios of the main job on it, and holds what
// each function asked of AWS against what the template lets it do.
package rehearsal
