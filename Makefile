# What people type; what each does is in scripts/, in tests/src/bin/demo and in bench/.

.PHONY: build install demo bench test soak fuzz fmt clean needs

PREFIX = /usr/local

build:
	cargo build --release -p kiln

# The program, and the units for systemd; nothing is started. DESTDIR is for those who make packages.
install: build
	install -D target/release/kiln $(DESTDIR)$(PREFIX)/bin/kiln
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	for unit in kiln.target kiln-router.service kiln-server.service; do \
		sed 's,/usr/local/bin/kiln,$(PREFIX)/bin/kiln,' packaging/systemd/$$unit \
			> $(DESTDIR)$(PREFIX)/lib/systemd/system/$$unit || exit 1; \
	done

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

# Deployments through histories made by chance, for SECONDS or as many as HISTORIES: see docs/histories.md.
soak:
	$(if $(HISTORIES),KILN_TESTS_HISTORIES=$(HISTORIES),KILN_TESTS_SECONDS=$(SECONDS)) \
		cargo test -p kiln-deploy --test it -- --nocapture every_promise

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
