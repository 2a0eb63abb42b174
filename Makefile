# Needs nothing but Go; .ci/run is what a change has to pass.

GO ?= go

# How long each fuzz target runs, and for which packages.
FUZZTIME ?= 20s
FUZZPKGS ?= ./...

# For benchstat: make bench BENCHCOUNT=10 > new.txt
BENCH ?= .
BENCHCOUNT ?= 1

.PHONY: test lint bench fuzz cover

test:
	$(GO) test ./...

lint:
	@bad=$$(gofmt -l .) || exit 1; \
	if [ -n "$$bad" ]; then echo "not formatted with gofmt:"; echo "$$bad"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

bench:
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -count $(BENCHCOUNT) ./...

# go test fuzzes one target at a time. -list prints the targets of a package and then the
# line with its name.
fuzz:
	@list=$$($(GO) test -run '^$$' -list '^Fuzz' $(FUZZPKGS)) || { echo "$$list"; exit 1; }; \
	echo "$$list" | awk '/^Fuzz/ { t[n++] = $$1 } $$1 == "ok" { for (i = 0; i < n; i++) print $$2, t[i]; n = 0 }' | \
	while read -r pkg target; do \
		echo "fuzz $$pkg $$target"; \
		$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 5s "$$pkg" || exit 1; \
	done

cover:
	$(GO) test -coverpkg=./... -coverprofile=cover.out ./...
	$(GO) tool cover -func=cover.out | tail -n 1
