-- What keeps a long history small and quick to ask, and what tells two copies of a database apart.

-- 1 once the journal has given way to a summary.
ALTER TABLE deployments ADD COLUMN compacted INTEGER NOT NULL DEFAULT 0;
CREATE INDEX deployments_whole ON deployments (app, env, number) WHERE compacted = 0;

-- What stays of the journal of a deployment that ended long ago, as JSON.
CREATE TABLE deployment_summaries (
    deployment INTEGER PRIMARY KEY REFERENCES deployments (number),
    summary    TEXT NOT NULL
) STRICT;

CREATE INDEX versions_newest ON versions (app, id);

-- Counts what was ever committed: of two copies the one that counts more is the newer.
CREATE TABLE commits (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    count    INTEGER NOT NULL
) STRICT;
INSERT INTO commits (only_row, count) VALUES (1, 0);
