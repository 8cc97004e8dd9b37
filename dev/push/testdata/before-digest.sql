-- Warble's one table. Applying this file again is harmless. It runs as it
-- stands on MySQL 8+, MariaDB 10.11, PlanetScale (Vitess, also sharded by
-- user_id) and on the embedded engine of `make run`.

CREATE TABLE IF NOT EXISTS posts (
  -- The post's number in URLs.
  id BIGINT NOT NULL AUTO_INCREMENT,

  -- Clerk's id of its author, "user_…". Profiles stay with Clerk: there is no
  -- table of users and no foreign key. Binary, or user_A and user_a were one.
  user_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,

  -- What it says: 1 to 200 Unicode characters, checked by the functions.
  content VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL,

  -- When it was published and last changed: UTC, in milliseconds, set by the
  -- functions. The same until it is edited.
  created_at DATETIME(3) NOT NULL,
  updated_at DATETIME(3) NOT NULL,

  -- The author's Idempotency-Key: sent again, it finds this post. NULL when
  -- none was sent.
  idempotency_key VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NULL,

  -- The stretch of POST_INTERVAL seconds that it took: its start, in Unix
  -- seconds. NULL when POST_INTERVAL is 0.
  slot BIGINT NULL,

  PRIMARY KEY (id),

  -- One post per key, and per slot, of an author. NULLs are never equal.
  UNIQUE KEY posts_idempotency_key (user_id, idempotency_key),
  UNIQUE KEY posts_slot (user_id, slot),

  -- The feed, and one author's posts, each read backwards from any place.
  KEY posts_feed (created_at, id),
  KEY posts_author (user_id, created_at, id)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
