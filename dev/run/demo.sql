-- What a newcomer finds in an embedded database, oldest first.
INSERT INTO posts (user_id, content, created_at, updated_at) VALUES
  ('user_alan0000000000000000000000',
   'We may hope that machines will eventually compete with men in all purely intellectual fields.\nUntil then: hello, feed.',
   UTC_TIMESTAMP(3) - INTERVAL 51 MINUTE, UTC_TIMESTAMP(3) - INTERVAL 51 MINUTE),
  ('user_grace000000000000000000000',
   'The most dangerous phrase in the language is: we have always done it this way.',
   UTC_TIMESTAMP(3) - INTERVAL 34 MINUTE, UTC_TIMESTAMP(3) - INTERVAL 34 MINUTE),
  ('user_ada00000000000000000000000',
   'The Analytical Engine weaves algebraic patterns just as the Jacquard loom weaves flowers and leaves.',
   UTC_TIMESTAMP(3) - INTERVAL 17 MINUTE, UTC_TIMESTAMP(3) - INTERVAL 17 MINUTE);
