-- Secrets: sealed values in versions.

-- `last` is the newest version that was ever given out, and never goes back. `current` is what new
-- releases get; null: the secret was removed, and only what still runs may have it.
CREATE TABLE secrets (
    app     TEXT NOT NULL,
    env     TEXT NOT NULL,
    name    TEXT NOT NULL,
    last    INTEGER NOT NULL,
    current INTEGER,
    PRIMARY KEY (app, env, name)
) STRICT, WITHOUT ROWID;

-- `sealed` opens with the key that is not in this file, as this version of this secret alone.
CREATE TABLE secret_versions (
    app     TEXT NOT NULL,
    env     TEXT NOT NULL,
    name    TEXT NOT NULL,
    version INTEGER NOT NULL,
    sealed  BLOB NOT NULL,
    set_ms  INTEGER NOT NULL,
    set_by  TEXT NOT NULL,
    PRIMARY KEY (app, env, name, version)
) STRICT;

-- Opens with the key that seals all versions there are: tells a wrong key from a damaged value.
CREATE TABLE secret_proof (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    sealed   BLOB NOT NULL
) STRICT;
