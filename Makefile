# Needs nothing but Go; .ci/run is what a change has to pass.

GO ?= go

# How long each fuzz target runs, and for which packages.
FUZZTIME ?= 20s
FUZZPKGS ?= ./...
# How many targets run at a time. One takes all processors.
FUZZJOBS ?= 1

# For benchstat: make bench BENCHCOUNT=10 > new.txt
BENCH ?= .
BENCHCOUNT ?= 1
# For internal/bench, which compares whole programs: BENCHARGS='-mixed 20 -large 10 -tables 10 -random 10 -json 10 -aof 10 -set 10'
BENCHARGS ?=

# How many files the differential runner compares, from which seed on, and its further flags.
N ?= 3000
SEED ?= 1
DIFFARGS ?=

.PHONY: test lint bench fuzz fuzz-diff fuzz-diff-night cover

# The packages that take longest come first, so that they do not run alone at the end.
test:
	$(GO) test ./repair ./rdb ./...

lint:
	@bad=$$(gofmt -l .) || exit 1; \
	if [ -n "$$bad" ]; then echo "not formatted with gofmt:"; echo "$$bad"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

bench:
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -count $(BENCHCOUNT) ./...
	$(GO) run ./internal/bench $(BENCHARGS)

# go test fuzzes one target at a time, and fails now and then for no other reason than that the time is up while an input runs. -list prints the targets of a package and then the
# line with its name.
fuzz:
	@list=$$($(GO) test -run '^$$' -list '^Fuzz' $(FUZZPKGS)) || { echo "$$list"; exit 1; }; \
	echo "$$list" | awk '/^Fuzz/ { t[n++] = $$1 } $$1 == "ok" { for (i = 0; i < n; i++) print $$2, t[i]; n = 0 }' | \
	xargs -P $(FUZZJOBS) -n 2 sh -c '\
		echo "fuzz $$0 $$1"; \
		out=$$($(GO) test -run "^\$$" -fuzz "^$$1\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 5s "$$0" 2>&1) || { \
			echo "$$out"; \
			case "$$out" in \
			*"Failing input"* | *panic* | *"exit status 2"*) exit 255 ;; \
			*"context deadline exceeded"*) echo "the time was up inside an input of $$1: no failure" ;; \
			*) exit 255 ;; \
			esac; \
		}'

# The same files to this module and to the checkers and the server on PATH.
fuzz-diff:
	$(GO) run ./fuzz/diff -n $(N) -seed $(SEED) $(DIFFARGS)
	$(GO) run ./fuzz/diff -n $$(($(N) / 3)) -seed $(SEED) -real server $(DIFFARGS)
	$(GO) run ./fuzz/diff -n $$(($(N) / 3)) -seed $(SEED) -real check-aof $(DIFFARGS)

# A night against the newest release in the folder of the tests, and all generated files loaded by every server there is.
fuzz-diff-night:
	$(GO) run ./fuzz/diff -n 200000 -seed $(SEED) -newest $(DIFFARGS)
	$(GO) run ./fuzz/diff -n 50000 -seed $(SEED) -newest -real server $(DIFFARGS)
	$(GO) run ./fuzz/diff -n 50000 -seed $(SEED) -newest -real check-aof $(DIFFARGS)
	KVFSCK_BIG=1 $(GO) test -timeout 3h -v -run TestServersLoad ./fuzz

cover:
	$(GO) test -coverpkg=./... -coverprofile=cover.out ./...
	$(GO) tool cover -func=cover.out | tail -n 1
