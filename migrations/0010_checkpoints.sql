-- Checkpoints become one signed chain over all streams, so that a stream that is gone as a whole,
-- or a checkpoint, leaves a gap. Those of single streams end; the chain covers every stream anew.

drop table ledger_checkpoint;

create table ledger_checkpoint (
    -- From 1, without gaps.
    number bigint not null,
    at timestamptz not null,
    key_id bytea not null,
    previous_hash bytea not null,
    -- Where streams stood: of each its id (16 bytes), the place of its last fact (8, big-endian)
    -- and that fact's hash (32), in order of ids.
    heads bytea not null,
    hash bytea not null,
    signature bytea not null,
    constraint ledger_checkpoint_pkey primary key (number),
    constraint ledger_checkpoint_number_check check (number > 0)
);

create trigger ledger_checkpoint_append_only before update or delete on ledger_checkpoint
    for each row execute function ledger_is_append_only();
create trigger ledger_checkpoint_no_truncate before truncate on ledger_checkpoint
    for each statement execute function ledger_is_append_only();
create trigger ledger_stream_no_delete before delete on ledger_stream
    for each row execute function ledger_is_append_only();

-- Facts before this place are covered by a checkpoint.
alter table ledger_stream add column signed_seq bigint not null default 0;
create index ledger_stream_unsigned_index on ledger_stream (id) where next_seq > signed_seq;
