-- Units, people, accounts, sessions of sign-in, the ledger of facts, and the outbox.
-- Every constraint has a name: src/store/constraint.rs turns a broken one into a refusal.

create table unit (
    id uuid not null,
    parent_id uuid,
    level smallint not null,
    parent_level smallint generated always as (level - 1) stored,
    code text not null,
    name text not null,
    -- The unit and all its ancestors, root first: a subtree is `path @> array[root]`.
    path uuid[] not null,
    created_at timestamptz not null,
    constraint unit_pkey primary key (id),
    constraint unit_id_level_key unique (id, level),
    constraint unit_code_key unique (code),
    constraint unit_level_check check (level between 1 and 5),
    constraint unit_name_check check (char_length(name) between 1 and 100),
    constraint unit_code_check check (char_length(code) between 1 and 40),
    constraint unit_path_check check (path[cardinality(path)] = id),
    constraint unit_parent_fkey foreign key (parent_id, parent_level)
        references unit (id, level)
);
create unique index unit_sibling_name_key on unit (parent_id, name);
create index unit_path_index on unit using gin (path);

create table institution (
    id uuid not null,
    kind text not null,
    name text not null,
    unit_id uuid,
    created_at timestamptz not null,
    constraint institution_pkey primary key (id),
    constraint institution_name_key unique (name),
    constraint institution_kind_check check (kind in (
        'prison', 'rehabilitation_centre', 'detention_centre', 'court', 'procuratorate',
        'public_security', 'law_firm', 'other'
    )),
    constraint institution_unit_fkey foreign key (unit_id) references unit (id)
);

create table person (
    id uuid not null,
    unit_id uuid not null,
    kind text not null,
    name text not null,
    created_at timestamptz not null,
    constraint person_pkey primary key (id),
    constraint person_unit_fkey foreign key (unit_id) references unit (id),
    constraint person_kind_check check (kind in ('subject', 'staff')),
    constraint person_name_check check (char_length(name) between 1 and 60)
);
create index person_unit_index on person (unit_id);

create table account (
    id uuid not null,
    person_id uuid not null,
    username text not null,
    password_hash text not null,
    locale text not null default 'zh-CN',
    disabled_at timestamptz,
    created_at timestamptz not null,
    constraint account_pkey primary key (id),
    constraint account_person_key unique (person_id),
    constraint account_person_fkey foreign key (person_id) references person (id),
    constraint account_locale_check check (locale in ('zh-CN', 'en')),
    constraint account_username_check check (username ~ '^[A-Za-z0-9][A-Za-z0-9._@-]{1,63}$')
);
create unique index account_username_key on account (lower(username));

create table role_grant (
    account_id uuid not null,
    role text not null,
    unit_id uuid not null,
    granted_at timestamptz not null,
    granted_by uuid,
    constraint role_grant_pkey primary key (account_id, role, unit_id),
    constraint role_grant_account_fkey foreign key (account_id) references account (id),
    constraint role_grant_unit_fkey foreign key (unit_id) references unit (id),
    constraint role_grant_granted_by_fkey foreign key (granted_by) references account (id),
    constraint role_grant_role_check check (
        role in ('system_administrator', 'unit_officer', 'teacher', 'learner')
    )
);
create index role_grant_unit_index on role_grant (unit_id, role);

create table token_family (
    id uuid not null,
    account_id uuid not null,
    created_at timestamptz not null,
    ended_at timestamptz,
    end_reason text,
    constraint token_family_pkey primary key (id),
    constraint token_family_account_fkey foreign key (account_id) references account (id),
    constraint token_family_end_check check ((ended_at is null) = (end_reason is null)),
    constraint token_family_end_reason_check check (end_reason in (
        'signed_out', 'reused', 'password_changed', 'disabled', 'crowded_out'
    ))
);
create index token_family_account_index on token_family (account_id) where ended_at is null;

create table refresh_token (
    hash bytea not null,
    family_id uuid not null,
    issued_at timestamptz not null,
    expires_at timestamptz not null,
    used_at timestamptz,
    constraint refresh_token_pkey primary key (hash),
    constraint refresh_token_hash_check check (octet_length(hash) = 32),
    constraint refresh_token_family_fkey foreign key (family_id)
        references token_family (id) on delete cascade
);
create index refresh_token_family_index on refresh_token (family_id);

create table ledger_stream (
    id uuid not null,
    kind text not null,
    subject uuid not null,
    opened_at timestamptz not null,
    next_seq bigint not null,
    head_hash bytea not null,
    constraint ledger_stream_pkey primary key (id),
    constraint ledger_stream_kind_subject_key unique (kind, subject),
    constraint ledger_stream_head_hash_check check (octet_length(head_hash) = 32)
);

create table ledger_fact (
    stream_id uuid not null,
    seq bigint not null,
    at timestamptz not null,
    kind text not null,
    -- Canonical JSON as hashed, byte for byte: jsonb would not keep it.
    body text not null,
    previous_hash bytea not null,
    hash bytea not null,
    constraint ledger_fact_pkey primary key (stream_id, seq),
    constraint ledger_fact_stream_fkey foreign key (stream_id) references ledger_stream (id)
);

create table ledger_checkpoint (
    stream_id uuid not null,
    seq bigint not null,
    at timestamptz not null,
    key_id bytea not null,
    hash bytea not null,
    signature bytea not null,
    constraint ledger_checkpoint_pkey primary key (stream_id, seq),
    constraint ledger_checkpoint_stream_fkey foreign key (stream_id) references ledger_stream (id)
);

create function ledger_is_append_only() returns trigger language plpgsql as $$
begin
    raise exception 'the ledger is append-only' using constraint = 'ledger_append_only';
end
$$;
create trigger ledger_fact_append_only before update or delete on ledger_fact
    for each row execute function ledger_is_append_only();
create trigger ledger_fact_no_truncate before truncate on ledger_fact
    for each statement execute function ledger_is_append_only();
create trigger ledger_checkpoint_append_only before update or delete on ledger_checkpoint
    for each row execute function ledger_is_append_only();

create table outbox (
    id bigint generated always as identity,
    audience_account uuid,
    audience_topic text,
    kind text not null,
    payload text not null,
    created_at timestamptz not null,
    -- Set when announced, in the order of announcing; ids alone may commit out of order.
    position bigint,
    constraint outbox_pkey primary key (id),
    constraint outbox_position_key unique (position),
    constraint outbox_audience_check check (num_nonnulls(audience_account, audience_topic) = 1)
);
create index outbox_waiting_index on outbox (id) where position is null;
create index outbox_created_index on outbox (created_at);

create table outbox_state (
    one boolean not null default true,
    next_position bigint not null,
    pruned_through bigint not null,
    constraint outbox_state_pkey primary key (one),
    constraint outbox_state_one_check check (one)
);
insert into outbox_state (next_position, pruned_through) values (1, 0);
