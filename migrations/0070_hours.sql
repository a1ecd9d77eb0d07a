-- How many hours a month learners have to do. Rows are issued and never changed: a unit's newest
-- version that is in force for a month is the one that counts, and what was said before stays.
create table hours_requirement (
    unit_id uuid not null,
    version integer not null,
    -- The first month that it is for, as its first day.
    month_from date not null,
    required_s integer not null,
    issued_by uuid not null,
    issued_at timestamptz not null,
    constraint hours_requirement_pkey primary key (unit_id, version),
    constraint hours_requirement_unit_fkey foreign key (unit_id) references unit (id),
    constraint hours_requirement_issued_by_fkey foreign key (issued_by) references account (id),
    constraint hours_requirement_version_check check (version > 0),
    constraint hours_requirement_month_check check (extract(day from month_from) = 1),
    constraint hours_requirement_required_check check (required_s between 0 and 720000)
);
