// Package clerkapi is where a Clerk instance is, by its keys, and what the failures
// of its Backend API mean.
package clerkapi

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/clerk/clerk-sdk-go/v2"

	"warble/lib/env"
)

// Backend returns the Backend API of the environment: the one that
// CLERK_SECRET_KEY opens, at CLERK_API_URL where that is set. No call takes
// longer than timeout. Its errors are problems that name the variable.
func Backend(timeout time.Duration) (clerk.Backend, error) {
	key, err := SecretKey()
	if err != nil {
		return nil, err
	}
	config := clerk.BackendConfig{Key: &key, HTTPClient: &http.Client{Timeout: timeout}}
	name, origin, err := env.Read("CLERK_API_URL")
	if err != nil {
		return nil, err
	}
	if origin = strings.TrimSuffix(origin, "/"); origin != "" {
		u, err := url.Parse(origin)
		switch {
		case err != nil, u.Host == "", u.Scheme != "https" && u.Scheme != "http":
			return nil, env.Wrong(name, "is no https:// address")
		case strings.HasSuffix(origin, "/v1"):
			return nil, env.Wrong(name, "ends in /v1, which is added to it")
		}
		config.URL = clerk.String(origin + "/v1")
	}
	return clerk.NewBackend(&config), nil
}

// Failure returns what a failed call means: a problem where the secret key is
// the cause, else the cause in a line. Whatever else may have answered in
// Clerk's place, its page does not end up in the log.
func Failure(err error) error {
	if refused, ok := errors.AsType[*clerk.APIErrorResponse](err); ok {
		if refused.HTTPStatusCode == http.StatusUnauthorized {
			return env.Wrong(secretKey, "is not accepted by Clerk")
		}
		return fmt.Errorf("clerk answered %d", refused.HTTPStatusCode)
	}
	if unreached, ok := errors.AsType[*url.Error](err); ok {
		return fmt.Errorf("clerk cannot be reached: %w", unreached.Err) // without the URL, which names a page of users
	}
	return errors.New("clerk's answer is not one of Clerk's")
}
