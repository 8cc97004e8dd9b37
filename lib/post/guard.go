package post

import (
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"warble/lib/problem"
)

// IdempotencyKey returns the Idempotency-Key header, without the quotes that
// the IETF draft puts around it, or nil when there is none. Its error is a 400.
func IdempotencyKey(header http.Header) (*string, error) {
	values := header.Values("Idempotency-Key")
	if len(values) == 0 {
		return nil, nil
	}
	key := values[0]
	if strings.HasPrefix(key, `"`) {
		key = strings.TrimSuffix(key[1:], `"`)
		if len(key) != len(values[0])-2 {
			key = ""
		}
	}
	printable := !strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' })
	// The column's collation ignores spaces at the end: "k" would be "k ".
	if len(values) > 1 || key == "" || len(key) > 128 || !printable || strings.TrimSpace(key) != key {
		return nil, problem.New(http.StatusBadRequest,
			"Idempotency-Key must be sent once, with 1 to 128 characters of printable ASCII, no space at either end.")
	}
	return &key, nil
}

// defaultInterval is the time between one user's posts where POST_INTERVAL is
// not set: people do not notice it, a script does.
const defaultInterval = 5 * time.Second

// Slot is a stretch of time in which a user may publish one post.
type Slot struct {
	Start *int64    // Unix seconds, the column slot; nil when POST_INTERVAL is 0
	End   time.Time // when the next one may be published
}

// SlotAt returns the slot of the clock that now is in. It is named by its start
// and not by a running number, so that a change of POST_INTERVAL cannot make
// two slots of different times one.
func SlotAt(now time.Time) (Slot, error) {
	interval := defaultInterval
	if value, ok := os.LookupEnv("POST_INTERVAL"); ok && value != "" {
		seconds, err := strconv.ParseUint(value, 10, 32)
		if err != nil {
			return Slot{}, problem.Variable("POST_INTERVAL", "must be a whole number of seconds, 0 for no limit")
		}
		interval = time.Duration(seconds) * time.Second
	}
	if interval == 0 {
		return Slot{}, nil
	}
	// Whole seconds of the Unix clock: time.Truncate would count from year 1.
	start := now.Unix() - now.Unix()%int64(interval/time.Second)
	return Slot{&start, time.Unix(start, 0).Add(interval)}, nil
}
