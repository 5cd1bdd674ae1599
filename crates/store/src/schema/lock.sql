-- The one lock over everything: while its row stands, no deployment begins.
CREATE TABLE lock (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    who      TEXT NOT NULL,
    message  TEXT NOT NULL,
    at_ms    INTEGER NOT NULL
) STRICT;
