-- Questions that are answered by writing a number or a few words.

alter table question add column accepted text[] not null default '{}';
alter table question drop constraint question_kind_check;
alter table question add constraint question_kind_check check (
    kind in ('single', 'multiple', 'true_false', 'numeric', 'short_text')
);
alter table question add constraint question_accepted_check check (
    (kind in ('numeric', 'short_text')) = (cardinality(accepted) > 0)
);
