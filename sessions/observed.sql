-- A recording of what was observed, format 3: the tables of schema.sql, and this one. FORMAT.md says what it holds.
PRAGMA user_version = 3;
CREATE TABLE sights (
    first INTEGER PRIMARY KEY, count INTEGER NOT NULL,
    first_tick INTEGER NOT NULL, last_tick INTEGER NOT NULL, kinds INTEGER NOT NULL, packed BLOB NOT NULL
);
