package post

import (
	"strconv"
	"time"

	"warble/lib/env"
)

// defaultInterval is the time between one user's posts where POST_INTERVAL is
// not set: people do not notice it, a script does.
const defaultInterval = 5 * time.Second

// Slot is a period of the clock in which a user may publish one post.
type Slot struct {
	Start *int64    // Unix seconds, the column slot; nil when POST_INTERVAL is 0
	End   time.Time // when the next one may be published
}

// SlotAt returns the slot of the clock that now is in. It is named by its start
// and not by a running number, so that after a change of POST_INTERVAL two slots
// of different times cannot have the same name.
func SlotAt(now time.Time) (Slot, error) {
	interval := defaultInterval
	name, value, err := env.Read("POST_INTERVAL")
	if err != nil {
		return Slot{}, err
	}
	if value != "" {
		seconds, err := strconv.ParseUint(value, 10, 32)
		if err != nil {
			return Slot{}, env.Wrong(name, "is no whole number of seconds")
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
