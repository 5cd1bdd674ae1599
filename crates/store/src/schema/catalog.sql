-- Applications, environments, and the record of who changed what.

CREATE TABLE applications (
    name       TEXT PRIMARY KEY,
    created_ms INTEGER NOT NULL,
    metadata   TEXT NOT NULL
) STRICT;

CREATE TABLE environments (
    name       TEXT PRIMARY KEY,
    engine     TEXT NOT NULL,
    settings   TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    metadata   TEXT NOT NULL
) STRICT;

-- Written in the same transaction as the change it tells of; never changed.
CREATE TABLE audit (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms INTEGER NOT NULL,
    who   TEXT NOT NULL,
    what  TEXT NOT NULL
) STRICT;
