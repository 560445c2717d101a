-- What a backtest needs beside the events. `clock_ms`: where the log's clock stood before the event (the greatest event or tick
-- time, events no later than their receipt), so that time passes in a backtest as it passed, also while only other feeds spoke, or
-- none. 0 in rows from before this step: not known.
ALTER TABLE events ADD COLUMN IF NOT EXISTS clock_ms Int64 DEFAULT 0 CODEC(Delta(8), ZSTD(1));

-- The event log's control records but ticks: rule sets put in force (`rules`, body: the bundle) and people's acts (`act`).
CREATE TABLE controls
(
    pos Int64 CODEC(Delta(8), ZSTD(1)),
    at_ms Int64 CODEC(Delta(8), ZSTD(1)),
    kind LowCardinality(String),
    body String CODEC(ZSTD(3)),
    at DateTime64(3, 'UTC') ALIAS fromUnixTimestamp64Milli(at_ms, 'UTC')
)
ENGINE = MergeTree
ORDER BY pos
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_compressed_bytes_to_fsync_after_merge = 1;
