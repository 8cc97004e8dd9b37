package problem

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestWaitsAreToldInPeoplesWordsAndNeverTooShort(t *testing.T) {
	for _, test := range []struct {
		wait time.Duration
		want string
	}{
		{0, "in 0 seconds"},
		{time.Nanosecond, "in 1 second"},
		{time.Second, "in 1 second"},
		{time.Second + time.Millisecond, "in 2 seconds"},
		{99 * time.Second, "in 99 seconds"},
		{100 * time.Second, "in 2 minutes"},
		{2 * time.Minute, "in 2 minutes"},
		{41*time.Minute + time.Second, "in 42 minutes"},
		{99 * time.Minute, "in 99 minutes"},
		{100 * time.Minute, "in 2 hours"},
		{24 * time.Hour, "in 24 hours"},
	} {
		if got := InWords(test.wait); got != test.want {
			t.Errorf("InWords(%v) = %q; want %q", test.wait, got, test.want)
		}
	}
}

func TestCallersHearOfAProblemAndOperatorsOfItsCause(t *testing.T) {
	cause := errors.New("port 3306 refuses")
	unavailable := Unavailable("Try again in a moment.", cause)
	for _, test := range []struct {
		err         error
		status      int
		detail, log string
	}{
		{New(400, "Send it once."), 400, "Send it once.", "Send it once."},
		{unavailable, 503, "Try again in a moment.", "port 3306 refuses"},
		{fmt.Errorf("read the feed: %w", unavailable), 503, "Try again in a moment.", "port 3306 refuses"},
		{cause, 500, "Something went wrong on our side. Try again; if it stays, report the request id.", "port 3306 refuses"},
	} {
		p := From(test.err)
		if p.Status != test.status || p.Detail != test.detail || p.Error() != test.log {
			t.Errorf("From(%v) = %d %q, log %q; want %d %q, %q", test.err, p.Status, p.Detail, p.Error(), test.status, test.detail, test.log)
		}
	}
	if !errors.Is(unavailable, cause) {
		t.Error("a problem has lost its cause")
	}
}
