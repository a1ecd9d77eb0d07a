-- Lessons, who takes part in them, the question bank, and attendances with their checks.
-- `state` columns hold the whole aggregate; the columns beside it are what queries and the
-- deadline loop read. The ledger has the facts that made both.

create table lesson (
    id uuid not null,
    unit_id uuid not null,
    teacher_id uuid not null,
    title text not null,
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    phase text not null,
    state jsonb not null,
    next_deadline timestamptz,
    created_at timestamptz not null,
    constraint lesson_pkey primary key (id),
    constraint lesson_unit_fkey foreign key (unit_id) references unit (id),
    constraint lesson_teacher_fkey foreign key (teacher_id) references account (id),
    constraint lesson_title_check check (char_length(title) between 1 and 100),
    constraint lesson_times_check check (ends_at > starts_at),
    constraint lesson_phase_check check (
        phase in ('scheduled', 'live', 'break', 'ended', 'cancelled')
    )
);
create index lesson_unit_index on lesson (unit_id, starts_at);
create index lesson_teacher_index on lesson (teacher_id, starts_at);
create index lesson_starts_index on lesson (starts_at);
create index lesson_deadline_index on lesson (next_deadline) where next_deadline is not null;

create table lesson_learner (
    lesson_id uuid not null,
    account_id uuid not null,
    constraint lesson_learner_pkey primary key (lesson_id, account_id),
    constraint lesson_learner_lesson_fkey foreign key (lesson_id) references lesson (id),
    constraint lesson_learner_account_fkey foreign key (account_id) references account (id)
);
create index lesson_learner_account_index on lesson_learner (account_id);

create table question (
    id uuid not null,
    unit_id uuid not null,
    text text not null,
    kind text not null,
    options jsonb not null,
    created_by uuid,
    created_at timestamptz not null,
    constraint question_pkey primary key (id),
    constraint question_unit_fkey foreign key (unit_id) references unit (id),
    constraint question_created_by_fkey foreign key (created_by) references account (id),
    constraint question_kind_check check (kind in ('single', 'multiple', 'true_false'))
);
create index question_unit_index on question (unit_id);

create table attendance (
    id uuid not null,
    lesson_id uuid not null,
    account_id uuid not null,
    phase text not null,
    link text not null,
    signed_in boolean not null,
    device text,
    -- The aggregate with its secret seed; the seed enters the ledger when the attendance closes.
    state jsonb not null,
    -- The present run of life, as the SFU sees it; it becomes a fact when it closes.
    life_from timestamptz,
    life_to timestamptz,
    -- What the browser says: any heartbeat, and the last that had the page playing in front.
    heard_at timestamptz,
    good_at timestamptz,
    round_trip_ms integer not null default 0,
    credited_s bigint not null default 0,
    withheld_s bigint not null default 0,
    -- Credited spans, for the same person's other lessons.
    credited jsonb not null default '[]',
    next_deadline timestamptz,
    board_sent_at timestamptz,
    board_due timestamptz,
    opened_at timestamptz not null,
    constraint attendance_pkey primary key (id),
    constraint attendance_lesson_account_key unique (lesson_id, account_id),
    constraint attendance_lesson_fkey foreign key (lesson_id) references lesson (id),
    constraint attendance_account_fkey foreign key (account_id) references account (id),
    constraint attendance_phase_check check (phase in ('open', 'closing', 'closed')),
    constraint attendance_link_check check (link in ('absent', 'up', 'down')),
    constraint attendance_life_check check ((life_from is null) = (life_to is null))
);
create index attendance_account_index on attendance (account_id, opened_at);
create index attendance_deadline_index on attendance (next_deadline)
    where next_deadline is not null;
create index attendance_board_index on attendance (board_due) where board_due is not null;
create index attendance_unfinished_index on attendance (lesson_id) where phase <> 'closed';

create table attendance_check (
    id uuid not null,
    attendance_id uuid not null,
    question_id uuid,
    constraint attendance_check_pkey primary key (id),
    constraint attendance_check_attendance_fkey foreign key (attendance_id)
        references attendance (id),
    constraint attendance_check_question_fkey foreign key (question_id) references question (id)
);
