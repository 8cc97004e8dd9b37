// Package clerkapi is where Clerk's Backend API is, and what its failures mean.
package clerkapi

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/clerk/clerk-sdk-go/v2"

	"warble/lib/problem"
)

// Backend returns the Backend API of the environment: the one that
// CLERK_SECRET_KEY opens, at CLERK_API_URL where that is set. No call takes
// longer than timeout. Its errors are problems that name the variable.
func Backend(timeout time.Duration) (clerk.Backend, error) {
	key := os.Getenv("CLERK_SECRET_KEY")
	if key == "" {
		return nil, problem.Misconfigured("CLERK_SECRET_KEY", "is missing: set it to the secret key (sk_…) from Clerk's dashboard, API keys")
	}
	config := clerk.BackendConfig{Key: &key, HTTPClient: &http.Client{Timeout: timeout}}
	if origin := os.Getenv("CLERK_API_URL"); origin != "" {
		if u, err := url.Parse(origin); err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
			return nil, problem.Misconfigured("CLERK_API_URL", "must be an origin such as https://api.clerk.com, or not be set")
		}
		config.URL = clerk.String(strings.TrimSuffix(origin, "/") + "/v1")
	}
	return clerk.NewBackend(&config), nil
}

// Failure returns what a failed call means: a problem where the secret key is
// the cause, else the cause in a line. Whatever else may have answered in
// Clerk's place, its page does not end up in the log.
func Failure(err error) error {
	if refused, ok := errors.AsType[*clerk.APIErrorResponse](err); ok {
		if refused.HTTPStatusCode == http.StatusUnauthorized {
			return problem.Misconfigured("CLERK_SECRET_KEY", "is not accepted by Clerk: copy the secret key (sk_…) again from Clerk's dashboard, API keys")
		}
		return fmt.Errorf("clerk answered %d", refused.HTTPStatusCode)
	}
	if unreached, ok := errors.AsType[*url.Error](err); ok {
		return fmt.Errorf("clerk cannot be reached: %w", unreached.Err) // without the URL, which names a page of users
	}
	return errors.New("clerk's answer is not one of Clerk's")
}
