-- Of a log in several partitions: a position is one of its partition. 0 where the log is one file.
ALTER TABLE events ADD COLUMN IF NOT EXISTS partition UInt16 DEFAULT 0 CODEC(ZSTD(1));
ALTER TABLE controls ADD COLUMN IF NOT EXISTS partition UInt16 DEFAULT 0 CODEC(ZSTD(1));
ALTER TABLE dead_letters ADD COLUMN IF NOT EXISTS partition UInt16 DEFAULT 0 CODEC(ZSTD(1));

-- The order in which the door judged events, over all partitions; where the log is one file, the position.
ALTER TABLE events ADD COLUMN IF NOT EXISTS stamp Int64 DEFAULT pos CODEC(Delta(8), ZSTD(1));
