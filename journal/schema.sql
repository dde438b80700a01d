-- Version 1 of a journal. Never edit a version that was released: append a new
-- step to the list in schema.go.
--
-- No STRICT, no generated columns, no index: SQLite tools from 2018 on read the
-- file, and one commit touches one page. An index on segment would double what
-- each commit writes, and only the views would use it.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

INSERT INTO meta VALUES
    ('application', 'pbt'),
    ('about', 'Event log of one Population Based Training run. Start with: SELECT * FROM segments; decisions, failures and schedule are views too.');

CREATE TABLE events (
    seq     INTEGER PRIMARY KEY, -- 1, 2, 3, … without gaps
    at      INTEGER NOT NULL,    -- Unix nanoseconds
    kind    TEXT    NOT NULL,    -- decided, leased, finished, failed, …
    segment INTEGER,             -- NULL: about no segment
    member  INTEGER,             -- NULL: about no member
    body    TEXT    NOT NULL,    -- a JSON object
    seal    TEXT    NOT NULL     -- hash of this row and of the seal before it: see `pbt verify`
);
