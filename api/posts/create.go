package posts

import (
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"time"

	"warble/lib/database"
	"warble/lib/handler"
	"warble/lib/post"
	"warble/lib/problem"
	"warble/lib/profile"
	"warble/lib/session"
)

// The insert is plain: the table's unique keys refuse the second post of an
// idempotency key, and of a slot of time. Only then is it asked which it was.
const (
	insertSQL = `
INSERT INTO posts (user_id, content, created_at, updated_at, idempotency_key, slot)
VALUES (?, ?, ?, ?, ?, ?)`

	replayedSQL = `
SELECT id, user_id, content, created_at, updated_at
FROM posts
WHERE user_id = ? AND idempotency_key = ?`
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

		posts := []post.Post{{UserID: user.ID, Content: content, CreatedAt: post.TimeOf(now), UpdatedAt: post.TimeOf(now)}}
		status := http.StatusCreated
		result, err := database.Exec(r.Context(), db, insertSQL, user.ID, content, now, now, key, slot.Start)
		switch {
		case err == nil:
			if posts[0].ID, err = result.LastInsertId(); err != nil {
				return nil, fmt.Errorf("id of the new post: %w", err)
			}
		case !database.IsDuplicate(err):
			return nil, database.Problem(err)
		case key == nil:
			return nil, tooSoon(slot)
		default:
			status = http.StatusOK
			err = db.GetContext(r.Context(), &posts[0], replayedSQL, user.ID, *key)
			if errors.Is(err, sql.ErrNoRows) {
				return nil, tooSoon(slot)
			}
			if err != nil {
				return nil, database.Problem(err)
			}
			// What an edited post said first is not kept: it is taken as the same.
			if first := posts[0]; first.Content != content && first.UpdatedAt == first.CreatedAt {
				return nil, problem.New(http.StatusUnprocessableEntity,
					"This Idempotency-Key has published another text. Send a new key with a new text.")
			}
		}

		profile.Fill(r.Context(), posts)
		location := fmt.Sprintf("/api/posts/%d", posts[0].ID)
		return &handler.Response{Status: status, Body: posts[0], Location: location}, nil
	})
}

func tooSoon(slot post.Slot) error {
	p := problem.New(http.StatusTooManyRequests, "You have just published a post. Send this one again after the time in Retry-After.")
	p.RetryAfter = max(time.Until(slot.End), time.Second)
	return p
}
