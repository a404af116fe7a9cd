-- The first schema. Text that may hold any byte is BLOB; times are nanoseconds
-- since 1970.

-- +goose Up
CREATE TABLE findings (
    id          INTEGER PRIMARY KEY,
    name        BLOB NOT NULL UNIQUE,
    severity    BLOB NOT NULL,
    state       BLOB NOT NULL,
    kind        BLOB NOT NULL,
    namespace   BLOB NOT NULL,
    image       BLOB NOT NULL,
    node        BLOB NOT NULL,
    sha256      BLOB NOT NULL,
    workload    BLOB NOT NULL, -- the workload's Key, for allow rules
    event_time  INTEGER NOT NULL,
    first_time  INTEGER NOT NULL,
    create_time INTEGER NOT NULL,
    count       INTEGER NOT NULL,
    haystack    BLOB NOT NULL  -- what a text query looks at, folded
);
-- Each index ends in the order of List. Severity at the end lets Count answer
-- from the index alone.
CREATE INDEX findings_by_time      ON findings (event_time DESC, name, severity);
CREATE INDEX findings_by_severity  ON findings (severity, event_time DESC, name);
CREATE INDEX findings_by_state     ON findings (state, event_time DESC, name, severity);
CREATE INDEX findings_by_kind      ON findings (kind, event_time DESC, name, severity);
CREATE INDEX findings_by_namespace ON findings (namespace, event_time DESC, name, severity);
CREATE INDEX findings_by_image     ON findings (image, event_time DESC, name, severity);
CREATE INDEX findings_by_node      ON findings (node, event_time DESC, name, severity);
CREATE INDEX findings_by_sha256    ON findings (sha256, event_time DESC, name, severity);

-- The rest of a finding, as compressed JSON, kept away from what is scanned.
CREATE TABLE bodies (
    finding INTEGER PRIMARY KEY REFERENCES findings (id) ON DELETE CASCADE,
    body    BLOB NOT NULL
);

-- Script and layer texts, each distinct text once.
CREATE TABLE texts (
    id     INTEGER PRIMARY KEY,
    sha256 BLOB NOT NULL UNIQUE, -- of the text as it is kept
    size   INTEGER NOT NULL,     -- before compression
    text   BLOB NOT NULL         -- compressed
);
CREATE TABLE finding_texts (
    finding INTEGER NOT NULL REFERENCES findings (id) ON DELETE CASCADE,
    layer   INTEGER NOT NULL,    -- 0 is the script itself
    text    INTEGER NOT NULL REFERENCES texts (id),
    PRIMARY KEY (finding, layer)
) WITHOUT ROWID;
CREATE INDEX finding_texts_by_text ON finding_texts (text);

-- What makes a sighting put twice count once.
CREATE TABLE occurrences (
    seq  INTEGER PRIMARY KEY,
    key  BLOB NOT NULL UNIQUE,
    time INTEGER NOT NULL -- when it was put
);

CREATE TABLE allow_rules (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    sha256   BLOB NOT NULL,
    workload BLOB NOT NULL,
    why      BLOB NOT NULL,
    by       BLOB NOT NULL,
    created  INTEGER NOT NULL,
    ended    INTEGER,     -- NULL while the rule stands
    ended_by BLOB NOT NULL,
    hits     INTEGER NOT NULL
);
CREATE INDEX allow_rules_by_sha256 ON allow_rules (sha256);

CREATE TABLE deliveries (
    id       INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice
    finding  INTEGER NOT NULL UNIQUE REFERENCES findings (id) ON DELETE CASCADE,
    due      INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    last_err BLOB NOT NULL
);

CREATE TABLE sensors (
    name BLOB PRIMARY KEY,
    time INTEGER NOT NULL,
    body BLOB NOT NULL -- compressed JSON
) WITHOUT ROWID;

-- Running totals: 'bytes' of texts, and 'evicted REASON'.
CREATE TABLE totals (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;

-- +goose Down
DROP TABLE totals;
DROP TABLE sensors;
DROP TABLE deliveries;
DROP TABLE allow_rules;
DROP TABLE occurrences;
DROP TABLE finding_texts;
DROP TABLE texts;
DROP TABLE bodies;
DROP TABLE findings;
