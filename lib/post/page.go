package post

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"warble/lib/problem"
)

// IDInPath returns the id that follows prefix, such as "/api/posts/", in path.
// Its error is a 404: any other path, and a number that no row can have, name no
// post.
func IDInPath(path, prefix string) (int64, error) {
	id, ok := parseNumber(strings.TrimPrefix(path, prefix))
	if !ok {
		return 0, problem.NotFound()
	}
	return id, nil
}

// parseNumber takes 1 to 2^63-1 in decimal, without a sign or leading zeros.
func parseNumber(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n > 0 && strconv.FormatInt(n, 10) == s
}

// Page says which posts of the feed to return, newest first.
type Page struct {
	Limit  int    // posts, 1 to 100
	UserID string // one author's posts only; "" for everybody's
	Before Cursor // posts older than this
}

// Posts in a page. A hundred is also the most users that one call to Clerk returns.
const (
	defaultLimit = 20
	maxLimit     = 100
)

// ParsePage reads limit, before and userId from a query string. Its error is a
// 400 that says what to send. Other parameters are left alone: proxies and Vercel's
// deployment protection add theirs to what a reader asks for.
func ParsePage(rawQuery string) (Page, error) {
	page := Page{Limit: defaultLimit, Before: newest}
	bad := func(detail string) (Page, error) { return Page{}, problem.New(http.StatusBadRequest, detail) }
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return bad("The query string is malformed. Percent-encode its values.")
	}
	for _, name := range []string{"limit", "before", "userId"} {
		if len(query[name]) > 1 {
			return bad("Send " + name + " once.")
		}
	}
	if query.Has("limit") {
		limit, ok := parseNumber(query.Get("limit"))
		if !ok || limit > maxLimit {
			return bad(fmt.Sprintf("limit must be a number from 1 to %d.", maxLimit))
		}
		page.Limit = int(limit)
	}
	if query.Has("before") {
		if page.Before, err = ParseCursor(query.Get("before")); err != nil {
			return bad(`before must be the "next" of an earlier page, unchanged.`)
		}
	}
	if query.Has("userId") {
		page.UserID = query.Get("userId")
		if !IsUserID(page.UserID) {
			return bad(`userId must be a Clerk user's id, which starts with "user_".`)
		}
	}
	return page, nil
}

// OnlyUserID reads the userId of a query string that has nothing else. Its error is
// a 400 that says what to send.
func OnlyUserID(rawQuery string) (string, error) {
	query, err := url.ParseQuery(rawQuery)
	if err != nil || len(query) != 1 || len(query["userId"]) != 1 || !IsUserID(query.Get("userId")) {
		return "", problem.New(http.StatusBadRequest, "Send userId once, and no other parameter: the id of the user whose posts are to be deleted.")
	}
	return query.Get("userId"), nil
}

// Cut takes the rows of a query for one more than Limit, and returns the page's
// posts and the cursor of the next page: "" when there is none.
func (p Page) Cut(rows []Post) (posts []Post, next string) {
	if len(rows) <= p.Limit {
		return rows, ""
	}
	last := rows[p.Limit-1]
	return rows[:p.Limit], Cursor{time.Time(last.CreatedAt), last.ID}.String()
}

// Cursor is a position in the feed: that of the last post of a page. Posts are
// ordered by time and then id, so that new posts do not move it.
type Cursor struct {
	CreatedAt time.Time
	ID        int64
}

// newest is a cursor before all posts: the last time that a DATETIME(3) can have.
var newest = Cursor{time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC), math.MaxInt64}

// String is the cursor as the API gives it: "<Unix milliseconds>-<id>".
func (c Cursor) String() string {
	return fmt.Sprintf("%d-%d", c.CreatedAt.UnixMilli(), c.ID)
}

// ParseCursor is the reverse of String. It accepts nothing else.
func ParseCursor(s string) (Cursor, error) {
	left, right, _ := strings.Cut(s, "-")
	milli, ok := parseNumber(left)
	id, ok2 := parseNumber(right)
	if !ok || !ok2 || milli > newest.CreatedAt.UnixMilli() {
		return Cursor{}, fmt.Errorf("cursor %q is not <Unix milliseconds>-<id>", s)
	}
	return Cursor{time.UnixMilli(milli).UTC(), id}, nil
}
