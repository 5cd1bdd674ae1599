# What people type; what each does is in scripts/ and in tests/src/bin/demo.

.PHONY: build demo test fmt clean needs

build:
	cargo build --release -p kiln

# Bakes, deploys, ships and rolls back on this machine, and shows how long each took.
# KEEP=1 leaves Kiln running.
demo: needs
	cargo build --release -p kiln -p kiln-tests --bins
	target/release/demo $(if $(KEEP),--keep)

test: needs
	scripts/test.sh

fmt:
	cargo fmt --all

clean:
	cargo clean

needs:
	scripts/install-needs.sh
