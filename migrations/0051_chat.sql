-- The chat of lessons. A message of a learner that is sent while a question is open in class is
-- held until the windows that were open then are over; staff see it at once.

create table chat_message (
    id uuid not null,
    lesson_id uuid not null,
    account_id uuid not null,
    sent_at timestamptz not null,
    text text not null,
    -- Whom it is for: `staff` where learners do not meet each other.
    reach text not null,
    held boolean not null,
    kept_until timestamptz not null,
    constraint chat_message_pkey primary key (id),
    constraint chat_message_lesson_fkey foreign key (lesson_id) references lesson (id),
    constraint chat_message_account_fkey foreign key (account_id) references account (id),
    constraint chat_message_text_check check (char_length(text) between 1 and 500),
    constraint chat_message_reach_check check (reach in ('everybody', 'staff'))
);
create index chat_message_lesson_index on chat_message (lesson_id, sent_at, id);
create index chat_message_account_index on chat_message (account_id, sent_at);
create index chat_message_held_index on chat_message (lesson_id) where held;
create index chat_message_kept_index on chat_message (kept_until);

-- Since when a question has been open for this learner.
alter table attendance add column question_since timestamptz;
create index attendance_question_index on attendance (lesson_id)
    where question_since is not null;
