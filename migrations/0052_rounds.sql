-- Rounds: a question or a poll that is put to a whole class at once.

create table lesson_round (
    id uuid not null,
    lesson_id uuid not null,
    asked_by uuid not null,
    question_id uuid,
    -- The poll's text and options; null for a question.
    poll jsonb,
    opened_at timestamptz not null,
    -- When a poll closes by itself.
    closes_at timestamptz,
    -- Everybody who could be asked is.
    asked_all boolean not null,
    closed_at timestamptz,
    -- The count that was told last.
    tally jsonb not null,
    constraint lesson_round_pkey primary key (id),
    constraint lesson_round_lesson_fkey foreign key (lesson_id) references lesson (id),
    constraint lesson_round_asked_by_fkey foreign key (asked_by) references account (id),
    constraint lesson_round_question_fkey foreign key (question_id) references question (id),
    constraint lesson_round_ask_check check ((question_id is null) = (poll is not null)),
    constraint lesson_round_closes_check check ((poll is null) = (closes_at is null))
);
create index lesson_round_lesson_index on lesson_round (lesson_id, opened_at);
create index lesson_round_open_index on lesson_round (lesson_id) where closed_at is null;

create table round_answer (
    round_id uuid not null,
    attendance_id uuid not null,
    check_id uuid not null,
    state text not null,
    -- Places of options, or what was written; null until answered.
    given jsonb,
    constraint round_answer_pkey primary key (round_id, attendance_id),
    constraint round_answer_round_fkey foreign key (round_id) references lesson_round (id),
    constraint round_answer_attendance_fkey foreign key (attendance_id)
        references attendance (id),
    constraint round_answer_state_check check (
        state in ('waiting', 'right', 'wrong', 'absent', 'excused')
    )
);

-- A poll knows who voted and how often each option was chosen, and nothing that joins the two.
create table poll_voter (
    round_id uuid not null,
    account_id uuid not null,
    constraint poll_voter_pkey primary key (round_id, account_id),
    constraint poll_voter_round_fkey foreign key (round_id) references lesson_round (id),
    constraint poll_voter_account_fkey foreign key (account_id) references account (id)
);
create table poll_count (
    round_id uuid not null,
    place smallint not null,
    votes integer not null,
    constraint poll_count_pkey primary key (round_id, place),
    constraint poll_count_round_fkey foreign key (round_id) references lesson_round (id)
);
