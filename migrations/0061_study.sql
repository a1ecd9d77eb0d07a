-- A lesson in which one person watches a film alone, and it counts.
alter table lesson add column viewing_id uuid;
alter table lesson add constraint lesson_viewing_fkey foreign key (viewing_id)
    references viewing (id);
create index lesson_viewing_index on lesson (viewing_id) where viewing_id is not null;
