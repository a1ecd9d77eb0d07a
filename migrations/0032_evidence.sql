-- Evidence packs that were handed out: whoever has one can ask whether it is as it was.
create table evidence_pack (
    id uuid not null,
    attendance_id uuid not null,
    issued_by uuid not null,
    issued_at timestamptz not null,
    -- Of the pack's manifest, which has the digest of every other file.
    sha256 bytea not null,
    constraint evidence_pack_pkey primary key (id),
    constraint evidence_pack_attendance_fkey foreign key (attendance_id)
        references attendance (id),
    constraint evidence_pack_issued_by_fkey foreign key (issued_by) references account (id),
    constraint evidence_pack_sha256_check check (octet_length(sha256) = 32)
);
create index evidence_pack_attendance_index on evidence_pack (attendance_id);
