-- Gives posts on several shards their ids. It stands in a keyspace that is not
-- sharded. Before the first insert through it, next_id must exceed MAX(id) of posts.
-- A tablet takes `cache` ids at once, so that they are not in order, and those that
-- it has not used are lost when it ends.
CREATE TABLE IF NOT EXISTS posts_seq (
  id BIGINT NOT NULL,
  next_id BIGINT NOT NULL,
  cache BIGINT NOT NULL,
  PRIMARY KEY (id)
) COMMENT 'vitess_sequence';

INSERT IGNORE INTO posts_seq (id, next_id, cache) VALUES (0, 1, 1000);
