-- Appeals against withheld time, and adjustments of credit that two people agree on.
create table redress (
    attendance_id uuid not null,
    -- The aggregate, with what people wrote; the ledger has digests of it.
    state jsonb not null,
    adjusted_s bigint not null,
    open_appeals integer not null,
    waiting_adjustments integer not null,
    decided_appeals integer not null,
    upheld_appeals integer not null,
    next_deadline timestamptz,
    constraint redress_pkey primary key (attendance_id),
    constraint redress_attendance_fkey foreign key (attendance_id) references attendance (id)
);
create index redress_waiting_index on redress (attendance_id)
    where open_appeals > 0 or waiting_adjustments > 0;
create index redress_deadline_index on redress (next_deadline) where next_deadline is not null;
