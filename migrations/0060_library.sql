-- Lessons on demand: films with their uploads, courses made of them, and who watched what.
-- `state` columns hold the whole aggregate; the columns beside it are what queries read.

create table film (
    id uuid not null,
    unit_id uuid not null,
    owner_id uuid not null,
    title text not null,
    phase text not null,
    state jsonb not null,
    -- What it takes on the disk, or will take.
    bytes bigint not null,
    next_deadline timestamptz,
    -- The order of imports.
    queued_at timestamptz,
    created_at timestamptz not null,
    constraint film_pkey primary key (id),
    constraint film_unit_fkey foreign key (unit_id) references unit (id),
    constraint film_owner_fkey foreign key (owner_id) references account (id),
    constraint film_title_check check (char_length(title) between 1 and 100),
    constraint film_bytes_check check (bytes >= 0),
    constraint film_phase_check check (phase in (
        'uploading', 'uploaded', 'queued', 'importing', 'ready', 'refused', 'removed'
    ))
);
create index film_unit_index on film (unit_id, created_at);
create index film_open_index on film (owner_id) where phase = 'uploading';
create index film_queue_index on film (queued_at) where phase = 'queued';
create index film_deadline_index on film (next_deadline) where next_deadline is not null;

create table course (
    id uuid not null,
    unit_id uuid not null,
    title text not null,
    state jsonb not null,
    created_at timestamptz not null,
    constraint course_pkey primary key (id),
    constraint course_unit_fkey foreign key (unit_id) references unit (id),
    constraint course_title_check check (char_length(title) between 1 and 100)
);
create index course_unit_index on course (unit_id, created_at);

create table course_learner (
    course_id uuid not null,
    account_id uuid not null,
    constraint course_learner_pkey primary key (course_id, account_id),
    constraint course_learner_course_fkey foreign key (course_id) references course (id),
    constraint course_learner_account_fkey foreign key (account_id) references account (id)
);
create index course_learner_account_index on course_learner (account_id);

-- Where a lesson belongs; one that was taken out of its course stays for what was watched of it.
create table course_lesson (
    id uuid not null,
    course_id uuid not null,
    film_id uuid not null,
    present boolean not null,
    constraint course_lesson_pkey primary key (id),
    constraint course_lesson_course_fkey foreign key (course_id) references course (id),
    constraint course_lesson_film_fkey foreign key (film_id) references film (id)
);
create index course_lesson_course_index on course_lesson (course_id);
create index course_lesson_film_index on course_lesson (film_id) where present;

create table viewing (
    id uuid not null,
    account_id uuid not null,
    lesson_id uuid not null,
    -- The playback that goes on.
    playback_id uuid,
    watched_ms bigint not null,
    finished boolean not null,
    state jsonb not null,
    next_deadline timestamptz,
    opened_at timestamptz not null,
    constraint viewing_pkey primary key (id),
    constraint viewing_account_lesson_key unique (account_id, lesson_id),
    constraint viewing_account_fkey foreign key (account_id) references account (id),
    constraint viewing_lesson_fkey foreign key (lesson_id) references course_lesson (id),
    constraint viewing_watched_check check (watched_ms >= 0)
);
-- One person, one playback.
create unique index viewing_playing_key on viewing (account_id) where playback_id is not null;
create unique index viewing_playback_key on viewing (playback_id) where playback_id is not null;
create index viewing_lesson_index on viewing (lesson_id);
create index viewing_deadline_index on viewing (next_deadline) where next_deadline is not null;
