// Package problem is how a request fails: one error type that keeps what
// people are told apart from what operators need to know.
package problem

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Problem is a failed request. Detail is sent to the caller; Cause goes to the
// log and nowhere else.
type Problem struct {
	Status     int           // HTTP status code
	Detail     string        // what happened and what to do, in a sentence or two
	Allow      string        // Allow header, on 405
	RetryAfter time.Duration // Retry-After header, rounded up to seconds; 0 for none
	Cause      error         // why, for operators; nil when Detail says it all
}

// Error is the text for the log.
func (p *Problem) Error() string {
	if p.Cause != nil {
		return p.Cause.Error()
	}
	return p.Detail
}

// Unwrap returns the cause.
func (p *Problem) Unwrap() error { return p.Cause }

// New makes the problem of a request that its caller can mend.
func New(status int, detail string) *Problem {
	return &Problem{Status: status, Detail: detail}
}

// NotFound is the answer for a post that is not there, or not the caller's to
// change: the two look the same from outside.
func NotFound() *Problem {
	return New(http.StatusNotFound, "There is no such post. It may have been deleted.")
}

// Misconfiguration is an environment variable that is missing or wrong. It is the
// cause of its problem. It never quotes the value.
type Misconfiguration struct {
	Variable string // its name
	Wrong    string // completes the sentence "<Variable> …"
	Advice   string // what to do, after a colon
}

// Error is the text for the log.
func (m *Misconfiguration) Error() string {
	return MisconfiguredPrefix + m.Variable + " " + m.Wrong + ": " + m.Advice
}

// MisconfiguredPrefix is what the Detail of each Misconfigured begins with.
const MisconfiguredPrefix = "The environment variable "

// Misconfigured is the problem of a Misconfiguration.
func Misconfigured(variable, wrong, advice string) *Problem {
	cause := &Misconfiguration{variable, wrong, advice}
	return &Problem{
		Status: http.StatusInternalServerError,
		Detail: cause.Error() + ". Then deploy again.",
		Cause:  cause,
	}
}

// Unavailable is the problem of a service behind us that does not answer: the
// same request may succeed when it is sent again. A second is about what a
// reconnection takes; a longer wait only keeps people waiting.
func Unavailable(detail string, cause error) *Problem {
	return &Problem{
		Status:     http.StatusServiceUnavailable,
		Detail:     detail,
		RetryAfter: time.Second,
		Cause:      cause,
	}
}

// From returns err as a problem. Any other error is a mistake of ours: a 500
// that says nothing about its cause.
func From(err error) *Problem {
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	return &Problem{
		Status: http.StatusInternalServerError,
		Detail: "Something went wrong on our side. Try again; if it stays, report the request id.",
		Cause:  err,
	}
}

// InWords returns a wait for people, rounded up: "in 42 minutes".
func InWords(wait time.Duration) string {
	unit, name := time.Second, "second"
	switch {
	case wait > 99*time.Minute:
		unit, name = time.Hour, "hour"
	case wait > 99*time.Second:
		unit, name = time.Minute, "minute"
	}
	n := int((wait + unit - 1) / unit)
	if n != 1 {
		name += "s"
	}
	return fmt.Sprintf("in %d %s", n, name)
}
