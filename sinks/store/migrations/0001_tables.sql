-- Times are epoch milliseconds: an event may carry any year from 1 to 9999, which DateTime64 cannot hold. The aliases are for people.

-- Every accepted event. Sorted by hour first, so that a time range prunes; within the hour by feed and subject, so that the
-- evidence of an alert lies together. Partitioned by receipt, which the sender cannot choose.
CREATE TABLE events
(
    pos Int64 CODEC(Delta(8), ZSTD(1)),
    receipt_ms Int64 CODEC(Delta(8), ZSTD(1)),
    time_ms Int64 CODEC(Delta(8), ZSTD(1)),
    id String CODEC(ZSTD(1)),
    feed LowCardinality(String),
    source LowCardinality(String),
    region LowCardinality(String),
    subject String CODEC(ZSTD(1)),
    lon Nullable(Float64) CODEC(ZSTD(1)),
    lat Nullable(Float64) CODEC(ZSTD(1)),
    raw String CODEC(ZSTD(3)),
    time DateTime64(3, 'UTC') ALIAS fromUnixTimestamp64Milli(time_ms, 'UTC'),
    receipt DateTime64(3, 'UTC') ALIAS fromUnixTimestamp64Milli(receipt_ms, 'UTC'),
    INDEX by_pos pos TYPE minmax GRANULARITY 1,
    INDEX by_time time_ms TYPE minmax GRANULARITY 1,
    INDEX by_subject subject TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_id id TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(fromUnixTimestamp64Milli(receipt_ms, 'UTC'))
ORDER BY (intDiv(time_ms, 3600000), feed, subject, time_ms, pos)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_compressed_bytes_to_fsync_after_merge = 1;

-- The transition log. A repeated (alert, n) is one transition: the first seq stands.
CREATE TABLE transitions
(
    seq Int64 CODEC(Delta(8), ZSTD(1)),
    alert String CODEC(ZSTD(1)),
    n Int32,
    type LowCardinality(String),
    at_ms Int64 CODEC(Delta(8), ZSTD(1)),
    rule LowCardinality(String),
    version LowCardinality(String),
    domain LowCardinality(String),
    severity LowCardinality(String),
    rank UInt8,
    feed LowCardinality(String),
    region LowCardinality(String),
    subject String CODEC(ZSTD(1)),
    key String CODEC(ZSTD(1)),
    state LowCardinality(String),
    condition LowCardinality(String),
    count Int64,
    opened_ms Int64 CODEC(Delta(8), ZSTD(1)),
    closed_ms Nullable(Int64) CODEC(ZSTD(1)),
    shadow Bool,
    body String CODEC(ZSTD(3)),
    earlier UInt64 MATERIALIZED toUInt64(9223372036854775807 - seq),
    at DateTime64(3, 'UTC') ALIAS fromUnixTimestamp64Milli(at_ms, 'UTC'),
    opened DateTime64(3, 'UTC') ALIAS fromUnixTimestamp64Milli(opened_ms, 'UTC'),
    INDEX by_seq seq TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(earlier)
ORDER BY (alert, n)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_compressed_bytes_to_fsync_after_merge = 1;

-- Each alert by its newest transition, whose body stands in transitions under (alert, n). Read with FINAL.
CREATE TABLE alerts
(
    alert String CODEC(ZSTD(1)),
    n Int32,
    seq Int64,
    at_ms Int64,
    rule LowCardinality(String),
    domain LowCardinality(String),
    severity LowCardinality(String),
    rank UInt8,
    feed LowCardinality(String),
    region LowCardinality(String),
    subject String CODEC(ZSTD(1)),
    state LowCardinality(String),
    condition LowCardinality(String),
    count Int64,
    opened_ms Int64 CODEC(Delta(8), ZSTD(1)),
    closed_ms Nullable(Int64),
    shadow Bool
)
ENGINE = ReplacingMergeTree(n)
ORDER BY (opened_ms, alert)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_compressed_bytes_to_fsync_after_merge = 1;

CREATE MATERIALIZED VIEW alerts_from_transitions TO alerts AS
SELECT alert, n, seq, at_ms, rule, domain, severity, rank, feed, region, subject, state, condition, count, opened_ms, closed_ms, shadow
FROM transitions;

-- Refused lines with their bytes, so that they can be replayed after a fix.
CREATE TABLE dead_letters
(
    pos Int64 CODEC(Delta(8), ZSTD(1)),
    receipt_ms Int64 CODEC(Delta(8), ZSTD(1)),
    reason LowCardinality(String),
    detail String CODEC(ZSTD(1)),
    feed LowCardinality(String),
    source LowCardinality(String),
    raw String CODEC(ZSTD(3)),
    receipt DateTime64(3, 'UTC') ALIAS fromUnixTimestamp64Milli(receipt_ms, 'UTC')
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(fromUnixTimestamp64Milli(receipt_ms, 'UTC'))
ORDER BY (receipt_ms, pos)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_compressed_bytes_to_fsync_after_merge = 1;

-- Which logs this store was filled from.
CREATE TABLE origins
(
    log String,
    identity String
)
ENGINE = MergeTree
ORDER BY log;
