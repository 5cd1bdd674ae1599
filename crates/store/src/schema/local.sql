-- What the local engine wants and runs.

-- One epoch of router tables for each start of the server.
CREATE TABLE local_router (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    epoch    INTEGER NOT NULL
) STRICT;

-- One bridge per environment; its place is never given to another while the row stands.
CREATE TABLE local_networks (
    env   TEXT PRIMARY KEY,
    place INTEGER NOT NULL UNIQUE
) STRICT;

-- The newest caller seen for an application in an environment.
CREATE TABLE local_epochs (
    app   TEXT NOT NULL,
    env   TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    PRIMARY KEY (app, env)
) STRICT;

CREATE TABLE local_groups (
    id       TEXT PRIMARY KEY,
    app      TEXT NOT NULL,
    env      TEXT NOT NULL,
    spec     TEXT NOT NULL,
    size     INTEGER NOT NULL,
    removing INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE local_instances (
    id         TEXT PRIMARY KEY,
    group_id   TEXT NOT NULL,
    group_name TEXT NOT NULL,
    app        TEXT NOT NULL,
    env        TEXT NOT NULL,
    slot       INTEGER NOT NULL,
    address    TEXT,
    created_ms INTEGER NOT NULL,
    ended_ms   INTEGER,
    exit       TEXT,
    last_lines TEXT
) STRICT;
CREATE INDEX local_instances_live ON local_instances (group_id) WHERE ended_ms IS NULL;
CREATE INDEX local_instances_ended ON local_instances (app, env, ended_ms);

CREATE TABLE local_traffic (
    app     TEXT NOT NULL,
    env     TEXT NOT NULL,
    version INTEGER NOT NULL,
    state   TEXT NOT NULL,
    PRIMARY KEY (app, env)
) STRICT;
