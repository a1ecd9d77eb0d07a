-- Recordings of rooms' sessions. `state` holds the whole aggregate; the columns beside it are what
-- queries read. The ledger has the facts, and from time to time the heads of the tracks' chains.

create table recording (
    id uuid not null,
    lesson_id uuid not null,
    unit_id uuid not null,
    phase text not null,
    state jsonb not null,
    -- The key that seals its files, sealed itself with a key that is not in the database.
    wrapped_key bytea not null,
    started_at timestamptz not null,
    ended_at timestamptz,
    marked_at timestamptz not null,
    constraint recording_pkey primary key (id),
    constraint recording_lesson_fkey foreign key (lesson_id) references lesson (id),
    constraint recording_unit_fkey foreign key (unit_id) references unit (id),
    constraint recording_phase_check check (phase in ('running', 'paused', 'ending', 'ended'))
);
create unique index recording_lesson_open_key on recording (lesson_id) where phase <> 'ended';
create index recording_lesson_index on recording (lesson_id, started_at);
create index recording_started_index on recording (started_at);

create table recording_track (
    id uuid not null,
    recording_id uuid not null,
    identity text not null,
    source text not null,
    opened_at timestamptz not null,
    -- It is on: what its chain does not cover is owed.
    is_live boolean not null,
    next_sequence bigint not null,
    head_hash bytea not null,
    covered_to timestamptz not null,
    -- How much of the chain the ledger knows.
    marked_sequence bigint not null default 0,
    constraint recording_track_pkey primary key (id),
    constraint recording_track_recording_fkey foreign key (recording_id)
        references recording (id),
    constraint recording_track_source_key unique (recording_id, identity, source)
);

create table recording_entry (
    track_id uuid not null,
    sequence bigint not null,
    from_at timestamptz not null,
    to_at timestamptz not null,
    content jsonb not null,
    previous_hash bytea not null,
    hash bytea not null,
    constraint recording_entry_pkey primary key (track_id, sequence),
    constraint recording_entry_track_fkey foreign key (track_id) references recording_track (id),
    constraint recording_entry_times_check check (to_at >= from_at)
);
