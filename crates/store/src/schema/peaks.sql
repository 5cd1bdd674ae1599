-- The most memory that instances of a process ever used at once, one row for each of its last
-- releases. `too_small` is the highest limit at which the kernel killed one of them for memory.
CREATE TABLE memory_peaks (
    app       TEXT NOT NULL,
    env       TEXT NOT NULL,
    process   TEXT NOT NULL,
    release   TEXT NOT NULL,
    peak      INTEGER NOT NULL,
    too_small INTEGER,
    last_ms   INTEGER NOT NULL,
    PRIMARY KEY (app, env, process, release)
) STRICT, WITHOUT ROWID;
