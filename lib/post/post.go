// Package post is what a post is: its fields, the rules of its content, its
// place in the feed.
package post

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"warble/lib/problem"
)

// Post is a row of the table posts, and its author as Clerk knows them.
type Post struct {
	ID        int64   `db:"id" json:"id"`
	UserID    string  `db:"user_id" json:"userId"` // Clerk's, "user_…"
	Content   string  `db:"content" json:"content"`
	CreatedAt Time    `db:"created_at" json:"createdAt"`
	UpdatedAt Time    `db:"updated_at" json:"updatedAt"`
	Author    *Author `db:"-" json:"author,omitempty"` // nil when Clerk did not say
}

// Author is what everybody may see of a Clerk user.
type Author struct {
	ID       string `json:"id"`
	Name     string `json:"name,omitempty"`
	Username string `json:"username,omitempty"`
	ImageURL string `json:"imageUrl,omitempty"`
}

// AuthorName returns the author's name, or user name, or "Somebody" where Clerk
// did not say.
func (p Post) AuthorName() string {
	if p.Author == nil {
		return "Somebody"
	}
	return cmp.Or(p.Author.Name, p.Author.Username, "Somebody")
}

// AuthorImage returns the address of the author's picture, or of the site's own
// where Clerk has none.
func (p Post) AuthorImage(site string) string {
	if p.Author == nil || p.Author.ImageURL == "" {
		return site + "/og.png"
	}
	return p.Author.ImageURL
}

// Time is when a post was published or changed. The API writes it in RFC 3339 and
// UTC with all three digits of milliseconds, as DATETIME(3) keeps them, so that
// every answer about a post has the same text. JSON of time.Time leaves out zeros.
type Time time.Time

const layout = "2006-01-02T15:04:05.000Z"

// String returns the time as the API writes it.
func (t Time) String() string { return time.Time(t).UTC().Format(layout) }

// MarshalJSON returns String in quotes.
func (t Time) MarshalJSON() ([]byte, error) {
	return []byte(`"` + t.String() + `"`), nil
}

// Scan takes a column that the driver has parsed as a time.
func (t *Time) Scan(column any) error {
	parsed, ok := column.(time.Time)
	if !ok {
		return fmt.Errorf("column is a %T, not a time", column)
	}
	*t = Time(parsed)
	return nil
}

// Now returns the current time in whole milliseconds. It is cut before it is sent,
// because MySQL would round it and MariaDB would cut it.
func Now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// MaxLength is the longest content, in Unicode code points: the width of the
// column, and what the page counts.
const MaxLength = 200

var errNotUnicode = problem.New(http.StatusUnprocessableEntity, "The content is not valid Unicode. Send it as UTF-8.")

// CheckContent trims white space around content and checks the rest. Its error
// is a 422.
func CheckContent(content string) (string, error) {
	unprocessable := func(detail string) (string, error) {
		return "", problem.New(http.StatusUnprocessableEntity, detail)
	}
	if !utf8.ValidString(content) {
		return "", errNotUnicode
	}
	content = strings.TrimSpace(content)
	if !strings.ContainsFunc(content, isVisible) {
		return unprocessable("The content is empty. Write at least one character that can be seen.")
	}
	if n := utf8.RuneCountInString(content); n > MaxLength {
		return unprocessable(fmt.Sprintf("The content has %d characters. Shorten it to %d.", n, MaxLength))
	}
	if strings.ContainsFunc(content, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }) {
		return unprocessable("The content has a control character. Only line feeds and tabs are allowed.")
	}
	return content, nil
}

// isVisible tells whether a reader can see a character: it is not white space, no
// control, format or other character that Unicode says to draw as nothing, and
// not the blank Braille pattern. The page has the same rule in js/text.js.
func isVisible(r rune) bool {
	return r != '\u2800' && !unicode.In(r, unicode.White_Space, unicode.Cc, unicode.Cf,
		unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// IsUserID tells whether id has the form of a Clerk user's: "user_" and more
// printable ASCII, no longer than the column user_id.
func IsUserID(id string) bool {
	rest, ok := strings.CutPrefix(id, "user_")
	return ok && rest != "" && len(id) <= 64 && !strings.ContainsFunc(rest, func(r rune) bool { return r <= ' ' || r > '~' })
}
