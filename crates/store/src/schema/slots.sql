-- The lowest slot of a group's instances: not 0 while those of another are replaced one by one.
ALTER TABLE local_groups ADD COLUMN first_slot INTEGER NOT NULL DEFAULT 0;
