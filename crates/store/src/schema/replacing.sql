-- An instance that was asked to make room for an identical one.
ALTER TABLE local_instances ADD COLUMN replacing INTEGER NOT NULL DEFAULT 0;
