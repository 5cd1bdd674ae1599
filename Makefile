# What people type; what each does is in scripts/, in tests/src/bin/demo and in bench/.

.PHONY: build demo bench test fuzz fmt clean needs

build:
	cargo build --release -p kiln

# Bakes, deploys, ships and rolls back on this machine, and shows how long each took.
# KEEP=1 leaves Kiln running.
demo: needs
	cargo build --release -p kiln -p kiln-tests --bins
	target/release/demo $(if $(KEEP),--keep)

# Measures Kiln and its peers side by side; ROWS=ship,bake takes some rows only.
bench: needs
	scripts/install-peers.sh
	cargo build --release -p kiln -p kiln-tests -p kiln-bench --bins
	target/release/kiln-bench $(if $(ROWS),--rows $(ROWS))

test: needs
	scripts/test.sh

# Every reader of foreign input, for SECONDS each with inputs that nobody chose: see fuzz/README.md.
SECONDS = 60
fuzz: needs
	SECONDS_EACH=$(SECONDS) scripts/fuzz.sh

fmt:
	cargo fmt --all

clean:
	cargo clean

needs:
	scripts/install-needs.sh
