-- Faces: enrolments with their templates, hashes of earlier pictures, and the pictures that
-- findings rest on. Templates and pictures are sealed (AES-256-GCM) with a key that is not in the
-- database; a row that goes takes them with it.

create table face_enrolment (
    person_id uuid not null,
    stage text not null,
    state jsonb not null,
    -- Sealed; both are there or neither.
    template bytea,
    portrait bytea,
    changed_at timestamptz not null,
    constraint face_enrolment_pkey primary key (person_id),
    constraint face_enrolment_person_fkey foreign key (person_id) references person (id),
    constraint face_enrolment_stage_check check (stage in ('empty', 'proposed', 'approved')),
    constraint face_enrolment_biometrics_check check (
        (stage = 'empty') = (template is null) and (template is null) = (portrait is null)
    )
);
create index face_enrolment_proposed_index on face_enrolment (changed_at)
    where stage = 'proposed';

-- Perceptual hashes of pictures that checks looked at, the latest 2,048 of each person.
create table face_hash (
    person_id uuid not null,
    taken_at timestamptz not null,
    number integer not null,
    hash bytea not null,
    constraint face_hash_pkey primary key (person_id, taken_at, number),
    constraint face_hash_person_fkey foreign key (person_id) references person (id),
    constraint face_hash_hash_check check (octet_length(hash) = 32)
);

create table face_picture (
    id uuid not null,
    check_id uuid not null,
    person_id uuid not null,
    taken_at timestamptz not null,
    -- Of one finding, in the order taken.
    number integer not null,
    finding text not null,
    similarity_e4 integer,
    -- Of the picture, not of what is stored.
    sha256 bytea not null,
    -- Sealed WebP.
    picture bytea not null,
    constraint face_picture_pkey primary key (id),
    constraint face_picture_check_fkey foreign key (check_id) references attendance_check (id),
    constraint face_picture_person_fkey foreign key (person_id) references person (id),
    constraint face_picture_sha256_check check (octet_length(sha256) = 32)
);
create index face_picture_check_index on face_picture (check_id, taken_at, number);
create index face_picture_taken_index on face_picture (taken_at);
create index face_picture_person_index on face_picture (person_id);

-- Which attendances the server's eyes follow, until when a look is wanted, and which have an
-- outcome that somebody is to look at.
alter table attendance
    add column watched boolean not null default false,
    add column look_until timestamptz,
    add column awaits_ruling boolean not null default false;
create index attendance_watched_index on attendance (lesson_id) where watched;
create index attendance_review_index on attendance (opened_at) where awaits_ruling;
