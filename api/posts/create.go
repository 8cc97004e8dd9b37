package posts

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/jmoiron/sqlx"

	"warble/lib/database"
	"warble/lib/handler"
	"warble/lib/post"
	"warble/lib/problem"
	"warble/lib/profile"
	"warble/lib/session"
)

// The insert is plain: the table's unique keys refuse a second post of an
// idempotency key, and of a slot. Only then a SELECT finds which post refused it.
const (
	insertSQL = `
INSERT INTO posts (user_id, content, created_at, updated_at, idempotency_key, idempotency_digest, slot)
VALUES (?, ?, ?, ?, ?, ?, ?)`

	replayedSQL = `
SELECT id, user_id, content, created_at, updated_at, idempotency_digest
FROM posts
WHERE user_id = ? AND idempotency_key = ?`

	slotTakenSQL = `
SELECT COUNT(*)
FROM posts
WHERE user_id = ? AND slot = ?`
)

// Create answers POST /api/posts: publishes a post of the signed-in user.
func Create(w http.ResponseWriter, r *http.Request) {
	handler.Serve(w, r, http.MethodPost, handler.PostsPath, func(r *handler.Request) (*handler.Response, error) {
		user, err := session.Required(r.Request)
		if err != nil {
			return nil, err
		}
		key, err := post.IdempotencyKey(r.Header)
		if err != nil {
			return nil, err
		}
		content, err := post.ReadContent(r.Request)
		if err != nil {
			return nil, err
		}
		now := post.Now()
		slot, err := post.SlotAt(now)
		if err != nil {
			return nil, err
		}
		db, err := database.Pool()
		if err != nil {
			return nil, err
		}

		row := post.Post{UserID: user.ID, Content: content, CreatedAt: post.Time(now), UpdatedAt: post.Time(now)}
		var digest *string
		if key != nil {
			d := post.Digest(content)
			digest = &d
		}
		status := http.StatusCreated
		// A post that refused the insert may be deleted before it is looked for. The
		// insert is then sent again.
		done := database.Retry(r.Context(), func() bool {
			var result sql.Result
			result, err = database.Exec(r.Context(), db, insertSQL, user.ID, content, now, now, key, digest, slot.Start)
			if err == nil {
				if row.ID, err = result.LastInsertId(); err != nil {
					err = fmt.Errorf("id of the new post: %w", err)
				}
				return true
			}
			if !database.IsDuplicate(err) {
				err = database.Problem(err)
				return true
			}
			if key != nil {
				var first post.Post
				first, err = replayed(r.Context(), db, user.ID, *key, content)
				if !errors.Is(err, sql.ErrNoRows) {
					row, status = first, http.StatusOK
					return true
				}
			}
			if slot.Start != nil {
				var taken int
				if err = db.GetContext(r.Context(), &taken, slotTakenSQL, user.ID, *slot.Start); err != nil {
					err = database.Problem(err)
					return true
				}
				if taken > 0 {
					err = tooSoon(slot)
					return true
				}
			}
			return false
		})
		if !done && r.Context().Err() != nil {
			err = database.Problem(r.Context().Err())
		} else if !done {
			// No unique key but PRIMARY is left. Where ids come from a sequence, as on
			// a sharded Vitess, it has fallen behind.
			err = problem.Unavailable("The post could not be published right now. Try again in a moment.",
				errors.New("a duplicate key refuses the insert, but no post has its key or its slot: if ids come from a sequence, raise its next_id above MAX(id)"))
		}
		if err != nil {
			return nil, err
		}

		profile.FillOne(r.Context(), &row)
		location := fmt.Sprintf("/api/posts/%d", row.ID)
		return &handler.Response{Status: status, Body: row, Location: location}, nil
	})
}

// replayed returns the post that an Idempotency-Key has published. Its errors are
// sql.ErrNoRows where there is none, and problems: a 422 where the first text was
// another one.
func replayed(ctx context.Context, db *sqlx.DB, userID, key, content string) (post.Post, error) {
	var first struct {
		post.Post
		Digest *string `db:"idempotency_digest"`
	}
	err := db.GetContext(ctx, &first, replayedSQL, userID, key)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return post.Post{}, err
	case err != nil:
		return post.Post{}, database.Problem(err)
	case first.Digest == nil && (first.Content == content || !time.Time(first.UpdatedAt).Equal(time.Time(first.CreatedAt))):
		return first.Post, nil // from before the column; an edit has replaced its first text
	case first.Digest == nil || *first.Digest != post.Digest(content):
		return post.Post{}, problem.New(http.StatusUnprocessableEntity,
			"This Idempotency-Key has published another text. Send a new key with a new text.")
	}
	return first.Post, nil
}

func tooSoon(slot post.Slot) error {
	wait := max(time.Until(slot.End), time.Second)
	p := problem.New(http.StatusTooManyRequests, "You have just published a post. You can publish the next one "+problem.InWords(wait)+".")
	p.RetryAfter = wait
	return p
}
