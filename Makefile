# The targets a developer needs; CONTRIBUTING.md says when.

GO      ?= go
# Building the linter takes minutes: it is kept where checkouts come and go.
TOOLS   ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/bucketscope
LINTVER := v2.15.0
LINT    := $(TOOLS)/golangci-lint-$(LINTVER)/golangci-lint
STATIC  := honnef.co/go/tools/cmd/staticcheck@v0.8.2
# How long each fuzz target runs.
FUZZTIME ?= 30s
# What a release is made for. Only the machine's own has cgo, and with it the
# webgpu device; the others have the host device alone.
PLATFORMS := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64
RELEASE   := -trimpath -buildvcs=false -ldflags '-s -w'

.PHONY: build test race invariants soak lint check bench fuzz generate picture results host-only dist reproducible clean

build: ## the program, as ./bucketscope
	$(GO) build -trimpath -o bucketscope .

test: ## every test
	$(GO) test ./...

race: ## every test under the race detector, but documents (`TestDocs`, `TestResultsDocument`) and counted steps
	$(GO) test -race ./...

invariants: ## every test with the books checked after every event, but those and counted allocations
	$(GO) test -tags invariants ./...

host-only: ## the program and its tests without cgo: the host device alone
	BUCKETSCOPE_REQUIRE_WEBGPU= CGO_ENABLED=0 $(GO) test ./...

lint: $(LINT) ## gofmt, go vet, staticcheck, golangci-lint
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo 'run gofmt -w on these'; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATIC) ./...
	$(LINT) run

$(LINT):
	GOBIN=$(dir $(LINT)) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINTVER)

check: lint test race invariants host-only fuzz dist reproducible ## what CI does

soak: ## twenty thousand seeds of the simulation of everything together
	$(GO) test ./internal/engine -run TestSimulation -seeds 20000 -timeout 60m

bench: ## speed of the replay; compare two with benchstat
	$(GO) test ./internal/engine ./internal/lab ./tui ./snapshots -run '^$$' -bench . -count 10

# Go 1.26's fuzzer at times ends with an error of its own when its time is up
# (golang/go#75804): that, and no failing input beside it, is no finding.
fuzz: ## every fuzz target for 30 s, or FUZZTIME
	@for pkg in $$($(GO) list ./...); do \
		targets=$$($(GO) test $$pkg -list '^Fuzz') || { echo "$$targets"; exit 1; }; \
		for f in $$(echo "$$targets" | grep ^Fuzz); do \
			echo "$$pkg $$f"; \
			said=$$($(GO) test $$pkg -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x 2>&1) && { echo "$$said" | tail -n 3; continue; }; \
			echo "$$said"; \
			case "$$said" in \
			*'Failing input'*|*panic*) exit 1;; \
			*'context deadline exceeded'*) echo 'no failing input: the fuzzer was late to stop';; \
			*) exit 1;; \
			esac; \
		done; done

dist: ## programs for every platform in dist, with their checksums
	@rm -rf dist && mkdir dist
	@for p in $(PLATFORMS); do \
		name=dist/bucketscope-$$(echo $$p | tr / -); case $$p in windows/*) name=$$name.exe;; esac; \
		cgo=0; [ $$p = "$$($(GO) env GOHOSTOS)/$$($(GO) env GOHOSTARCH)" ] && cgo=1; \
		echo "$$name (cgo $$cgo)"; \
		CGO_ENABLED=$$cgo GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) build $(RELEASE) -o $$name . || exit 1; done
	@cd dist && sha256sum bucketscope-* > SHA256SUMS && cat SHA256SUMS

reproducible: ## a build in another folder, with nothing cached, is the same byte for byte
	@set -e; other=$$(mktemp -d); trap 'rm -rf "$$other"' EXIT; \
	mkdir "$$other/copy"; git ls-files -z | tar --null -T - -cf - | tar -C "$$other/copy" -xf -; \
	$(GO) build $(RELEASE) -o "$$other/here" .; \
	(cd "$$other/copy" && GOCACHE="$$other/cache" $(GO) build $(RELEASE) -o "$$other/there" .); \
	cmp "$$other/here" "$$other/there"; sha256sum < "$$other/here"

generate: picture ## goldens, tables in the docs, pictures; read the diff
	$(GO) test ./cachemodes -run TestScripts -rewrite
	$(GO) test ./workload ./tui ./internal/cli -update

picture: ## the pictures in the docs, from the running program
	$(GO) test . -run TestPicture -pictures docs

results: ## docs/results.md: every mode on every recording, with the times in docs/results
	$(GO) run . results docs/results/*.json --output docs/results.md

clean:
	rm -rf bucketscope dist
