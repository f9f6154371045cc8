# The targets a developer needs; CONTRIBUTING.md says when.

GO      ?= go
TOOLS   := $(CURDIR)/.tools
LINT    := $(TOOLS)/golangci-lint
LINTVER := v2.15.0
STATIC  := honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: build test race invariants lint check bench fuzz generate picture results host-only clean

build: ## the program, as ./bucketscope
	$(GO) build -trimpath -o bucketscope .

test: ## every test
	$(GO) test ./...

race: ## every test under the race detector
	$(GO) test -race ./...

invariants: ## every test with the books checked after every event
	$(GO) test -tags invariants ./...

host-only: ## the program and its tests without cgo: the host device alone
	BUCKETSCOPE_REQUIRE_WEBGPU= CGO_ENABLED=0 $(GO) test ./...

lint: $(LINT) ## gofmt, go vet, staticcheck, golangci-lint
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo 'run gofmt -w on these'; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATIC) ./...
	$(LINT) run

$(LINT):
	GOBIN=$(TOOLS) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINTVER)

check: lint test race invariants host-only ## what CI does

bench: ## speed of the replay; compare two with benchstat
	$(GO) test ./internal/engine ./internal/lab ./tui ./snapshots -run '^$$' -bench . -count 10

fuzz: ## every fuzz target for a while
	@for pkg in $$($(GO) list ./...); do for f in $$($(GO) test $$pkg -list '^Fuzz' | grep ^Fuzz); do \
		echo "$$pkg $$f"; $(GO) test $$pkg -run '^$$' -fuzz "^$$f$$" -fuzztime 60s -fuzzminimizetime 10x || exit 1; done; done

generate: picture ## goldens, tables in the docs, pictures; read the diff
	$(GO) test ./cachemodes -run TestScripts -rewrite
	$(GO) test ./workload ./tui ./internal/cli -update

picture: ## the pictures in the docs, from the running program
	$(GO) test . -run TestPicture -pictures docs

results: ## docs/results.md: every mode on every recording, with the times in docs/results
	$(GO) run . results docs/results/*.json --output docs/results.md

clean:
	rm -rf bucketscope $(TOOLS)
