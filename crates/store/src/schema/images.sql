-- Images by their digest, the names people gave them, bases, and what bakes need not do again.

CREATE TABLE images (
    digest     TEXT PRIMARY KEY,
    app        TEXT,
    base       TEXT,
    created_ms INTEGER NOT NULL,
    facts      TEXT NOT NULL
) STRICT;

-- A version is set once. `id` tells which is newer: never the text.
CREATE TABLE versions (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    app        TEXT NOT NULL,
    version    TEXT NOT NULL,
    digest     TEXT NOT NULL REFERENCES images (digest),
    created_ms INTEGER NOT NULL,
    UNIQUE (app, version)
) STRICT;
CREATE INDEX versions_digest ON versions (digest);

-- `key` is what the base was made from: the same key again is the same base.
CREATE TABLE bases (
    name       TEXT PRIMARY KEY,
    digest     TEXT NOT NULL REFERENCES images (digest),
    key        TEXT NOT NULL,
    provenance TEXT NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT;

-- A step's key holds everything that the step read; the layer is what it left.
CREATE TABLE bake_layers (
    key     TEXT PRIMARY KEY,
    diff_id TEXT NOT NULL,
    bytes   INTEGER NOT NULL,
    used_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX bake_layers_used ON bake_layers (used_ms);

-- What bakes found out and need not ask again: the versions that a package manager chose for a
-- list, the packages of an image.
CREATE TABLE bake_findings (
    key      TEXT PRIMARY KEY,
    found    TEXT NOT NULL,
    found_ms INTEGER NOT NULL
) STRICT;
