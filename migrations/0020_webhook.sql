-- Events for the endpoints of other programs. A row waits until its endpoint accepts it, or until
-- it is too old or too many wait (domain::delivery).

create table webhook (
    -- The order of delivery at an endpoint.
    id bigint generated always as identity,
    endpoint text not null,
    event_id uuid not null,
    -- As it is signed and sent, byte for byte.
    body text not null,
    created_at timestamptz not null,
    constraint webhook_pkey primary key (id),
    -- Writing is tried again when nobody knows whether it was done.
    constraint webhook_endpoint_event_key unique (endpoint, event_id)
);
create index webhook_endpoint_index on webhook (endpoint, id);
create index webhook_created_index on webhook (created_at);
