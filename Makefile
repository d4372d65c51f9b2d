# Everything that is done with Portcullis, by name. Needed: Go and make; for the
# tests also Debian (nginx, Apache), Java 17 and Maven (DynamoDB Local), Node.js, Chromium. With a C compiler `make
# test` also looks for data races (the detector is linked with one).

GO       ?= go
ARGS     ?=
BENCH    ?= .
FUZZTIME ?= 60s
MUTANTS  ?= shared/access shared/mfa shared/session shared/unlock shared/gatekeeper

GREMLINS    := github.com/go-gremlins/gremlins/cmd/gremlins@v0.6.0
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@latest
MAIN        := ./infra/local/portcullis

# Go refuses to stamp a checkout that another user owns, and nothing here reads
# the stamp.
export GOFLAGS := $(filter-out -buildvcs%,$(shell $(GO) env GOFLAGS)) -buildvcs=false

.DEFAULT_GOAL := help
.PHONY: help run build test openapi engines browser format vet tests fuzz bench mutants vulncheck clean verify-deploy rehearse recover-operator

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Not `go run`: that one dies of SIGTERM and leaves the server behind.
run: build ## start everything in one process; ARGS="-addr 127.0.0.1:9090" hands flags on
	@bin/portcullis $(ARGS)

build: ## build bin/portcullis, and bin/gate, whose "doctor" examines an installed gate
	@$(GO) build -trimpath -o bin/portcullis $(MAIN)
	@$(GO) build -trimpath -o bin/gate ./infra/gate/doctor/gate

openapi: ## write functions/portal/openapi.json anew, after a change of routes
	@$(GO) run ./infra/local/openapi > .openapi.draft && mv .openapi.draft functions/portal/openapi.json || { rm -f .openapi.draft; exit 1; }

test: engines format vet tests ## formatting, vet, staticcheck, and all tests, under the race detector if there is a C compiler

# Amazon's licence allows using the engine, not passing it on: it is fetched.
engines: .tools/dynamodb/fetched .tools/proxies/fetched .tools/axe/fetched browser ## fetch what the tests run on: DynamoDB Local, nginx, Apache, Caddy and axe-core; install Chromium
.tools/dynamodb/fetched: infra/dynamodblocal/pom.xml
	@command -v java >/dev/null && command -v mvn >/dev/null || { \
		echo "the tests run on DynamoDB Local, which needs Java 17, and Maven to fetch it"; exit 1; }
	@rm -rf $(@D) && mvn -q -f $< org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies -DoutputDirectory=$(CURDIR)/$(@D)
	@touch $@

.tools/proxies/fetched: infra/gate/fetch.sh infra/gate/caddy/go.mod infra/gate/caddy/main.go
	@GO=$(GO) sh infra/gate/fetch.sh $(@D)
	@touch $@

.tools/axe/fetched: infra/browser/fetch.sh
	@sh $< $(@D)
	@touch $@

# A browser is the machine's. The tests look for the same names.
browser:
	@for name in "$$CHROMIUM" chromium chromium-browser google-chrome; do command -v "$$name" >/dev/null 2>&1 && exit 0; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get -qq -o Acquire::Retries=5 update && DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=5 install -y --no-install-recommends chromium >/dev/null; \
	else \
		echo "the tests of the portal drive Chromium: install it (Debian: apt-get install chromium), or name it in CHROMIUM"; exit 1; \
	fi

# gofmt itself always ends well, so the list decides. It is the one of the Go
# that builds, which need not be the one in PATH.
format:
	@list=$$("$$($(GO) env GOROOT)/bin/gofmt" -l $(wildcard *.go */)) || exit 1; \
	if [ -n "$$list" ]; then echo "not formatted (gofmt -w mends it):"; echo "$$list"; exit 1; fi

vet:
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

# -race needs cgo; Go's own message would only tell to set a variable.
tests:
	@cc=$$($(GO) env CC); \
	if [ "$$($(GO) env CGO_ENABLED)" = 1 ] && command -v $${cc%% *} >/dev/null; then \
		echo "$(GO) test -race -timeout 60m ./..."; $(GO) test -race -timeout 60m ./...; \
	else \
		echo "=================================================================="; \
		echo "WITHOUT THE RACE DETECTOR: it needs cgo and a C compiler ('$$cc')."; \
		echo "A change counts only when the tests have passed with it."; \
		echo "=================================================================="; \
		CGO_ENABLED=0 $(GO) test -timeout 60m ./...; \
	fi

fuzz: ## run every fuzzer for FUZZTIME (60s) each
	@list=$$($(GO) test -list '^Fuzz' ./...) || { echo "$$list"; exit 1; }; \
	echo "$$list" | awk '/^Fuzz/ { names[++n] = $$1 } /^ok/ { while (n) print $$2, names[n--] }' | \
	while read -r package name; do \
		echo "== $$package $$name"; \
		$(GO) test -run '^$$' -fuzz "^$$name$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$package </dev/null || exit 1; \
	done

bench: ## run the benchmarks; BENCH=Decide picks some
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem ./...

# In a copy, so that edits do not disturb it and it leaves nothing behind.
# -count=1, because gremlins takes the time the tests need from its first run,
# and a cached one needs none: every mutant would "time out".
mutants: ## mutate the packages in MUTANTS and list what no test noticed
	@copy=$$(mktemp -d) && trap 'rm -rf "$$copy"' EXIT && trap 'exit 1' INT TERM && \
	tar -cf - --exclude=./.git --exclude=./.portcullis --exclude=./.tools --exclude=./bin . | tar -xf - -C "$$copy" && \
	cd "$$copy" && for package in $(MUTANTS); do \
		echo "== $$package"; \
		GOFLAGS="$(GOFLAGS) -count=1" $(GO) run $(GREMLINS) unleash --workers 2 --timeout-coefficient 10 \
			--invert-logical --invert-loopctrl --invert-assignments --invert-bitwise --invert-bwassign \
			--remove-self-assignments --output-statuses lct $$package || exit 1; \
	done

vulncheck: ## look the dependencies up in Go's vulnerability database (needs the network)
	$(GO) run $(GOVULNCHECK) ./...

clean: ## remove what was built; the data in .portcullis stay
	rm -rf bin

# ---- AWS: docs/operations.md tells how to deploy.

DEPLOY := .tools/deploy
STACK  ?= portcullis
EMAIL  ?=
# No account is asked, and nothing is told to anybody.
OFFLINE := AWS_DEFAULT_REGION=eu-central-1 AWS_EC2_METADATA_DISABLED=true SAM_CLI_TELEMETRY=0

LAMBDA = CGO_ENABLED=0 GOOS=linux GOARCH=$(LAMBDA_ARCH) $(GO) build -tags lambda.norpc -trimpath -ldflags "-s -w -buildid=" $(LAMBDA_FLAGS)
LAMBDA_ARCH ?= arm64

# What SAM's makefile builder asks for, with ARTIFACTS_DIR set.
build-LoginFunction build-UsersFunction build-PhoneSystemsFunction build-UnlocksFunction build-GateFunction build-ReportsFunction build-PortalFunction build-AuditorFunction build-CourierFunction build-InstallerFunction: build-%Function:
	$(LAMBDA) -o $(ARTIFACTS_DIR)/bootstrap ./functions/$(shell echo $* | tr A-Z a-z)/bootstrap

verify-deploy: .aws-sam/transformed.json ## check the template with SAM and cfn-lint, as it stands and as CloudFormation sees it, and build it
	$(OFFLINE) $(DEPLOY)/bin/sam validate --lint
	$(DEPLOY)/bin/cfn-lint template.yaml
	$(DEPLOY)/bin/cfn-lint .aws-sam/transformed.json
	$(OFFLINE) $(DEPLOY)/bin/sam build
	$(GO) test -run 'Template|Reproducible' ./infra/checks ./infra/deploy

# The built functions, for this machine, behind a stand-in for API Gateway and
# Lambda, on DynamoDB Local: the scenarios, and what each asked of AWS.
rehearse: engines .aws-sam/transformed.json ## run the built functions through the scenarios and hold them to their permissions
	$(GO) vet -tags rehearsal ./infra/rehearsal
	$(GO) test -count=1 -tags rehearsal -timeout 45m ./infra/rehearsal

.aws-sam/transformed.json: template.yaml infra/deploy/transform.py $(DEPLOY)/installed
	@mkdir -p $(@D)
	$(OFFLINE) $(DEPLOY)/bin/python infra/deploy/transform.py template.yaml > $@.draft && mv $@.draft $@

$(DEPLOY)/installed: infra/deploy/requirements.txt
	@command -v python3 >/dev/null || { echo "SAM's tools need Python 3.9 or newer"; exit 1; }
	@rm -rf $(@D) && python3 -m venv $(@D) && $(@D)/bin/pip install -q --disable-pip-version-check -r $<
	@touch $@

recover-operator: ## a new start for an operator who lost everything: EMAIL=… STACK=portcullis; needs the AWS CLI and rights on the stack
	@test -n "$(EMAIL)" || { echo "say whose: make recover-operator EMAIL=operator@example.com"; exit 1; }
	@answer=$$(mktemp) && trap 'rm -f "$$answer"' EXIT && \
	aws lambda invoke --function-name "$(STACK)-installer:live" --cli-binary-format raw-in-base64-out \
		--payload '{"action":"recover","email":"$(EMAIL)"}' "$$answer" >/dev/null && cat "$$answer" && echo
