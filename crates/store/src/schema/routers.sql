-- Routers on other machines, which every table is waited for.
CREATE TABLE routers (
    name      TEXT PRIMARY KEY,
    install   TEXT NOT NULL,
    joined_ms INTEGER NOT NULL
) STRICT;
