-- Releases, deployments and their journals, groups, and what waits to be removed.

-- Named by the sha256 of its canonical JSON, stored whole.
CREATE TABLE releases (
    id         TEXT PRIMARY KEY,
    app        TEXT NOT NULL,
    env        TEXT NOT NULL,
    canonical  TEXT NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX releases_cluster ON releases (app, env, id);

-- `number` grows with every deployment: it is the epoch that engines are called with.
-- `locks` is 1 from the request until the deployment ends, and while it is stuck.
CREATE TABLE deployments (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    id         TEXT NOT NULL UNIQUE,
    app        TEXT NOT NULL,
    env        TEXT NOT NULL,
    verb       TEXT NOT NULL,
    who        TEXT NOT NULL,
    message    TEXT NOT NULL,
    release    TEXT,
    state      TEXT NOT NULL,
    reason     TEXT,
    locks      INTEGER NOT NULL,
    started_ms INTEGER NOT NULL,
    since_ms   INTEGER NOT NULL,
    ended_ms   INTEGER
) STRICT;
CREATE UNIQUE INDEX deployments_lock ON deployments (app, env) WHERE locks = 1;
CREATE INDEX deployments_cluster ON deployments (app, env, number);
CREATE INDEX deployments_app ON deployments (app, number);

-- Append only. What the records of a deployment add up to is its status.
CREATE TABLE journal (
    deployment INTEGER NOT NULL REFERENCES deployments (number),
    seq        INTEGER NOT NULL,
    at_ms      INTEGER NOT NULL,
    event      TEXT NOT NULL,
    PRIMARY KEY (deployment, seq)
) STRICT, WITHOUT ROWID;

-- The next group number of an application in an environment; never goes back.
CREATE TABLE group_numbers (
    app  TEXT NOT NULL,
    env  TEXT NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (app, env)
) STRICT;

CREATE TABLE server_groups (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    app        TEXT NOT NULL,
    env        TEXT NOT NULL,
    process    TEXT NOT NULL,
    number     INTEGER NOT NULL,
    release    TEXT NOT NULL,
    spec       TEXT NOT NULL,
    size       INTEGER NOT NULL,
    state      TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    since_ms   INTEGER NOT NULL
) STRICT;
CREATE INDEX server_groups_here ON server_groups (app, env, number) WHERE state <> 'gone';

CREATE INDEX server_groups_release ON server_groups (app, env, release, process, number);

-- A release became what an application in an environment runs; null: it was stopped. `back` is
-- the activation that a rollback returns to.
CREATE TABLE activations (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    app        TEXT NOT NULL,
    env        TEXT NOT NULL,
    release    TEXT REFERENCES releases (id),
    back       INTEGER REFERENCES activations (number),
    deployment INTEGER NOT NULL REFERENCES deployments (number),
    settings   TEXT NOT NULL,
    at_ms      INTEGER NOT NULL
) STRICT;
CREATE INDEX activations_cluster ON activations (app, env, number);

-- Who may be reached where.
CREATE TABLE route_claims (
    host    TEXT NOT NULL,
    path    TEXT NOT NULL,
    app     TEXT NOT NULL,
    env     TEXT NOT NULL,
    process TEXT NOT NULL,
    PRIMARY KEY (host, path)
) STRICT, WITHOUT ROWID;
CREATE INDEX route_claims_cluster ON route_claims (app, env);

-- Groups that are kept until a time and then removed. Once `removing`, nobody can have one back.
CREATE TABLE retirements (
    group_id TEXT PRIMARY KEY REFERENCES server_groups (id),
    app      TEXT NOT NULL,
    env      TEXT NOT NULL,
    due_ms   INTEGER NOT NULL,
    removing INTEGER NOT NULL
) STRICT;
CREATE INDEX retirements_due ON retirements (due_ms);
CREATE INDEX retirements_cluster ON retirements (app, env);
