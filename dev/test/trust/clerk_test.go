package trust

import (
	"net/http"
	"sync"

	localclerk "warble/dev/local/clerk"
)

// unreliable is Clerk's Backend API as it is on a bad day.
type unreliable struct {
	clerk *localclerk.Clerk

	mu     sync.Mutex
	answer http.HandlerFunc // in place of Clerk's own; nil when it is well
	healed chan struct{}    // closed by heal
}

// fail makes answer take Clerk's place until heal.
func (u *unreliable) fail(answer http.HandlerFunc) {
	u.heal()
	u.mu.Lock()
	defer u.mu.Unlock()
	u.answer, u.healed = answer, make(chan struct{})
}

// hang is an API that takes requests and answers none until heal.
func (u *unreliable) hang() {
	u.fail(nil)
	u.mu.Lock()
	defer u.mu.Unlock()
	healed := u.healed
	u.answer = func(http.ResponseWriter, *http.Request) { <-healed }
}

func (u *unreliable) heal() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.healed != nil {
		close(u.healed)
	}
	u.answer, u.healed = nil, nil
}

func (u *unreliable) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u.mu.Lock()
	answer := u.answer
	u.mu.Unlock()
	if answer == nil {
		answer = u.clerk.ServeHTTP
	}
	answer(w, r)
}
